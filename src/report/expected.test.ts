import { expect, test } from 'vitest';
import { CENSUS } from '../../test/support/reports.ts';
import { expectedOf } from './expected.ts';
import { KINDS } from './types.ts';

const brief = (...[census, kinds]: Parameters<typeof expectedOf>): string[] =>
  expectedOf(census, kinds).map(
    ({ service, step, count, bytes }) => `${service} ${step} ${count} ${bytes}`,
  );

test('what a plan counted, in the order of removal, without what is not there', () => {
  expect(brief(CENSUS, KINDS)).toEqual([
    'audio-transcriber queue 3 0',
    'audio-transcriber in-flight 1 0',
    'audio-transcriber jobs 15 0',
    'audio-transcriber files 49 153301811',
    'audio-transcriber models 3 1571816243',
    'audio-normalization queue 12 0',
    'audio-normalization jobs 1204 0',
    'audio-normalization files 3411 9876543210',
    'video-downloader files 8 4194304',
  ]);
});

test('only of the chosen kinds', () => {
  expect(brief(CENSUS.slice(0, 1), ['jobs', 'models'])).toEqual([
    'audio-transcriber jobs 15 0',
    'audio-transcriber models 3 1571816243',
  ]);
});
