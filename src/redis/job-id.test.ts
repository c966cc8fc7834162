import { expect, test } from 'vitest';
import { idStarts, keysOfJob } from './job-id.ts';

test.each([
  ['job:', 'job:1', ['1']],
  ['job:', 'job::1', [':1']],
  ['job', 'job:1', [':1', '1']],
  ['job', 'job__1', ['__1', '1']],
  ['job', 'job1', ['1']],
  ['job', 'job:', [':']],
  ['job', 'job', ['']],
  ['job', 'jobs:list', ['s:list']],
  ['job', 'job:b:1', [':b:1', 'b:1']],
])('prefix %j, key %j: ids %j', (prefix, key, ids) => {
  const starts = idStarts(Buffer.from(prefix))(Buffer.from(key));
  expect(starts.map((start) => key.slice(start))).toEqual(ids);
});

test('the key of a job by its id', () => {
  expect(keysOfJob('job:', '1').map(String)).toEqual(['job:1']);
  expect(keysOfJob('job', '1').map(String)).toContain('job:1');
});
