/** Whose a key is by the names that well-known job queues and schedulers give to theirs. Pure. */

/** Queues that each worker declares for messages to all workers. */
export const BROADCAST = 'Celery Broadcast';

/**
 * Sources: rq/job.py, rq/queue.py; sidekiq/client.rb; bullmq src/classes/queue-keys.ts;
 * dramatiq/brokers/redis.py; arq/constants.py; huey/storage.py; redbeat/schedulers.py;
 * resque/data_store.rb; kombu/common.py (`Broadcast`). None of them is removed by a wipe.
 */
const NAMES: readonly (readonly [program: string, names: RegExp])[] = [
  ['RQ', /^rq:/],
  ['Bull', /^bull:[^:]+:/],
  ['Dramatiq', /^dramatiq(?::|-results:)/],
  ['arq', /^arq:/],
  ['Huey', /^huey\.(?:redis|results|schedule|signal)\./],
  ['RedBeat', /^redbeat:/],
  ['Resque', /^resque:/],
  // A key of jobs has an id in its name, so that `queue:<id>` is nobody's.
  ['Sidekiq', /^(?:queue:[a-z][a-z_-]*|queues|processes|stat:(?:processed|failed)(?::[\d-]+)?)$/],
  [BROADCAST, /^bcast\.[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/],
];

const PROGRAMS = new Set(NAMES.map(([program]) => program));

/** `RQ`, `Sidekiq` …; undefined: the name is none that is known. */
export function programOf(key: Buffer): string | undefined {
  const name = key.toString('latin1');
  return NAMES.find(([, names]) => names.test(name))?.[0];
}

export function isProgram(owner: string | undefined): boolean {
  return owner !== undefined && PROGRAMS.has(owner);
}

/** Whether a queue is one of those that each worker makes for messages to all workers. */
export function isBroadcastQueue(queue: string): boolean {
  return programOf(Buffer.from(queue)) === BROADCAST;
}
