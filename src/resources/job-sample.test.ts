import { expect, test } from 'vitest';
import { createJobSample } from './job-sample.ts';

test('a watched id is kept, however many jobs came before it', () => {
  const sample = createJobSample({ keyPrefixes: ['job:'] });
  sample.watch('wanted');
  sample.note(Array.from({ length: 10_000 }, (_, n) => Buffer.from(`job:${n}`)));
  sample.note(['job:other', 'job:wanted'].map((key) => Buffer.from(key)));
  const { ids } = sample.told();
  expect([ids.size, ids.has('other'), ids.has('wanted')]).toEqual([10_001, false, true]);
});
