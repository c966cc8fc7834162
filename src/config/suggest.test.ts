import { expect, test } from 'vitest';
import { nearestWord } from './suggest.ts';

const keys = ['redis', 'keyPrefix', 'celery', 'root', 'directories', 'models'];
const services = ['audio-transcriber', 'audio-normalization', 'video-downloader'];

test.each([
  ['directorys', keys, 'directories'],
  ['key_prefix', keys, 'keyPrefix'],
  ['prefix', keys, 'keyPrefix'],
  ['model', keys, 'models'],
  ['host', keys, undefined],
  ['x', keys, undefined],
  ['', keys, undefined],
  ['audio-transcribe', services, 'audio-transcriber'],
  ['transcriber', services, 'audio-transcriber'],
  ['audio', services, undefined],
  ['x', ['y'], undefined],
  ['al', ['own', 'all', 'none'], 'all'],
])('%s', (word, known, expected) => expect(nearestWord(word, known)).toBe(expected));
