import { describe, expect, test } from 'vitest';
import { assignFamilies } from './assign-families.ts';
import type { Claim } from './assign-families.ts';

const claim = (service: string, words: number, more: Partial<Claim> = {}): Claim => ({
  service,
  words,
  hasTaskIds: false,
  isServed: false,
  ...more,
});

describe('families of three services in one database', () => {
  test('two wrong prefixes: the generic one is for the service that has got no other', () => {
    const transcriber = { isServed: true };
    const families = [
      // audio_job:
      [claim('transcriber', 1, transcriber), claim('normalization', 1)],
      // job:
      [claim('transcriber', 0, transcriber), claim('normalization', 0), claim('video', 0)],
    ];
    expect(assignFamilies(families)).toEqual([['normalization'], ['video']]);
  });

  test('ids of waiting tasks decide, whatever the names say', () => {
    expect(
      assignFamilies([
        [claim('video', 3), claim('audio', 0, { hasTaskIds: true, isServed: true })],
      ]),
    ).toEqual([['audio']]);
  });

  test('where nothing tells them apart both are named', () => {
    expect(assignFamilies([[claim('one', 0), claim('two', 0)]])).toEqual([['one', 'two']]);
    expect(assignFamilies([[claim('one', 1), claim('two', 1)]])).toEqual([['one', 'two']]);
  });

  test('a service alone gets what looks like its jobs, also when its own prefix matches some', () => {
    const served = { isServed: true };
    expect(assignFamilies([[claim('one', 0, served)], [claim('one', 1, served)], []])).toEqual([
      ['one'],
      ['one'],
      [],
    ]);
  });

  test('more shared words win', () => {
    expect(assignFamilies([[claim('one', 1), claim('two', 2)]])).toEqual([['two']]);
  });
});
