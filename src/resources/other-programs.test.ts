import { expect, test } from 'vitest';
import { programOf } from './other-programs.ts';

const UUID = '0b54bd4c-6d0c-4a3c-9a3e-6b3f1f0f8a11';

test.each([
  ['rq:job:1', 'RQ'],
  ['rq:queue:default', 'RQ'],
  ['rq:workers', 'RQ'],
  [`bull:video:${UUID}`, 'Bull'],
  ['bull:video:wait', 'Bull'],
  ['dramatiq:default.msgs', 'Dramatiq'],
  ['dramatiq:__heartbeats__', 'Dramatiq'],
  ['arq:queue', 'arq'],
  [`arq:result:${UUID}`, 'arq'],
  ['huey.redis.app', 'Huey'],
  ['huey.results.app', 'Huey'],
  ['redbeat::schedule', 'RedBeat'],
  ['resque:workers', 'Resque'],
  ['queue:default', 'Sidekiq'],
  ['stat:processed:2026-01-01', 'Sidekiq'],
  [`bcast.${UUID}`, 'Celery Broadcast'],
  // May be jobs: hidden, they would be left over by a wipe that is called verified.
  [`queue:${UUID}`, undefined],
  ['queue:17', undefined],
  ['bull:17', undefined],
  ['broadcast.job', undefined],
  ['arqive:1', undefined],
  ['job:1', undefined],
])('%s', (key, program) => {
  expect(programOf(Buffer.from(key))).toBe(program);
});
