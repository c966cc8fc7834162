import { setTimeout as sleep } from 'node:timers/promises';
import { parseUnacked } from '../celery/message.ts';
import { createRouter } from '../celery/routes.ts';
import { ownership } from '../celery/scope.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { createCursorCheck } from '../redis/cursor-check.ts';
import { permitted } from '../redis/errors.ts';
import { countExisting } from '../redis/jobs.ts';
import { targetIdentity } from '../redis/target.ts';
import type { Crew } from '../commands/crew.ts';
import { tasksOf } from '../commands/look-at-workers.ts';
import { resultsLink } from '../commands/links.ts';
import type { OwnWorker, WorkersTask } from '../commands/look-at-workers.ts';

/**
 * Which of the tasks that workers name are acted on. Whoever may write to Redis can make up replies, so
 * a worker's word is not enough to touch a task that Redis shows to be another's.
 *
 * - `redis`: a message of the service's queues or one of its job keys has the task's id.
 * - `word`: Redis knows nothing of the task, as of a running one that was acknowledged when it began and
 *   saves no job. It is revoked at the worker that named it, and nowhere else.
 * - `none`: something speaks against it. Named, and not touched.
 */
export type Evidence = 'redis' | 'word' | 'none';

const NO_MESSAGES = { own: new Set<string>(), foreign: new Set<string>() };

/** A second reply in a worker's name comes about as late as the first. */
const SECOND_REPLY_MS = 200;

/** Judges the tasks of workers once each. @returns the workers, without tasks that are not to be touched. */
export async function withEvidence(
  crew: Crew,
  broker: RedisConnection,
  own: readonly OwnWorker[],
): Promise<readonly OwnWorker[]> {
  const told = tasksOf(own.map((one) => ({ ...one, tasks: [...one.tasks, ...one.revoked] })));
  const fresh = told.filter(({ id }) => !crew.evidence.has(id));
  if (fresh.length > 0) await judge(crew, broker, fresh, own);
  crew.unproven = tasksOf(own).filter(({ id }) => crew.evidence.get(id) === 'none');
  const isKept = ({ id }: { readonly id: string }): boolean => crew.evidence.get(id) !== 'none';
  return own.map((one) => ({
    ...one,
    tasks: one.tasks.filter(isKept),
    revoked: one.revoked.filter(isKept),
  }));
}

async function judge(
  crew: Crew,
  broker: RedisConnection,
  tasks: readonly WorkersTask[],
  own: readonly OwnWorker[],
): Promise<void> {
  const { service } = crew.step;
  const jobs = await Promise.all(
    tasks.map(async ({ id }) => hasJob(service.redis?.connection, service.config.keyPrefixes, id)),
  );
  const withoutJob = tasks.filter((_, index) => jobs[index] !== true);
  const messages =
    withoutJob.length === 0
      ? NO_MESSAGES
      : await messagesOf(crew, broker, new Set(withoutJob.map(({ id }) => id)));
  const words = withoutJob.filter(({ id }) => !messages.own.has(id));
  for (const { id } of tasks) crew.evidence.set(id, 'redis');
  if (words.length === 0) return;
  await sleep(SECOND_REPLY_MS);
  await crew.look?.mailbox?.receive();
  const surplus = crew.look?.mailbox?.surplus ?? new Set<string>();
  const twins = new Set(
    own.filter(({ worker }) => worker.copies > 1).map((one) => one.worker.name),
  );
  const foreign = new Set([...messages.foreign, ...(await foreignIds(crew, broker, words, own))]);
  for (const { id, worker } of words) {
    const isAmbiguous = surplus.size > 0 || twins.has(worker);
    crew.evidence.set(id, isAmbiguous || foreign.has(id) ? 'none' : 'word');
  }
}

const UNFINISHED = /"status": ?"(?:PENDING|RECEIVED|STARTED|RETRY|PROGRESS)"/;
/** Celery writes the status first. */
const STATUS_BYTES = 200;

/** A task with a final result does not run: the result may be another service's, and stays. */
async function hasEnded(
  { step }: Crew,
  redis: RedisConnection | undefined,
  id: string,
): Promise<boolean> {
  if (redis === undefined || step.keys.results === 'none') return false;
  const results = await Promise.all(
    step.keys.broker
      .resultsOf(Buffer.from(id))
      .map(async (key) => permitted(redis.send('GETRANGE', key, 0, STATUS_BYTES))),
  );
  return results.some((value) => {
    const text = value?.toString() ?? '';
    return text !== '' && !UNFINISHED.test(text);
  });
}

async function hasJob(
  redis: RedisConnection | undefined,
  prefixes: readonly string[],
  id: string,
): Promise<boolean> {
  if (redis === undefined || prefixes.length === 0) return false;
  const names = prefixes.map((prefix) => Buffer.from(prefix + id));
  return ((await permitted(countExisting(redis, names))) ?? 0) > 0;
}

/** Ids that another worker's word, a job of a service outside the run, or a final result claims. */
async function foreignIds(
  crew: Crew,
  broker: RedisConnection,
  tasks: readonly WorkersTask[],
  own: readonly OwnWorker[],
): Promise<ReadonlySet<string>> {
  const { service } = crew.step;
  const wanted = new Set(tasks.map(({ id }) => id));
  const found = new Set<string>();
  const ofOwn = new Map(own.map((one) => [one.worker.name, one]));
  for (const { name, tasks: all, revoked } of crew.look?.enquiry?.workers() ?? []) {
    const ours = ofOwn.get(name);
    const known = new Set([...(ours?.tasks ?? []), ...(ours?.revoked ?? [])].map(keyOf));
    for (const task of [...all, ...revoked]) {
      if (wanted.has(task.id) && !known.has(keyOf(task))) found.add(task.id);
    }
  }
  const label = crew.link === undefined ? '' : targetIdentity(crew.link.target);
  const others = service.all.filter(
    (other) =>
      !service.targets.includes(other) &&
      other.redis !== undefined &&
      targetIdentity(other.redis) === label,
  );
  const prefixes = others.flatMap(({ keyPrefixes }) => keyPrefixes);
  const results = resultsLink(service)?.connection;
  await Promise.all(
    [...wanted].map(async (id) => {
      const isTheirs = await hasJob(broker, prefixes, id);
      if (isTheirs || (await hasEnded(crew, results, id))) found.add(id);
    }),
  );
  return found;
}

function keyOf({ id, exchange, routingKey }: Omit<WorkersTask, 'worker'>): string {
  return JSON.stringify([id, exchange, routingKey]);
}

/** Of which of these tasks messages are in flight, and whether they are the service's. */
async function messagesOf(
  { step }: Crew,
  broker: RedisConnection,
  wanted: ReadonlySet<string>,
): Promise<{ readonly own: ReadonlySet<string>; readonly foreign: ReadonlySet<string> }> {
  const { scope, broker: names } = step.keys;
  const router = createRouter(broker, names, scope.own);
  const found = { own: new Set<string>(), foreign: new Set<string>() };
  const check = createCursorCheck('HSCAN');
  let cursor = '0';
  do {
    step.signal.throwIfAborted();
    const reply = await permitted(broker.send('HSCAN', names.unacked, cursor, 'COUNT', 200));
    if (reply === undefined) return found;
    const [next, flat] = reply;
    for (const value of flat.filter((_, index) => index % 2 === 1)) {
      const entry = parseUnacked(value);
      if (entry?.taskId === undefined || !wanted.has(entry.taskId)) continue;
      const goesTo = await router.queuesOf(entry.exchange, entry.routingKey);
      if (ownership(goesTo, scope) === 'own') found.own.add(entry.taskId);
      else if (!goesTo.every((queue) => scope.run.has(queue))) found.foreign.add(entry.taskId);
    }
    cursor = next.toString();
    if (cursor !== '0') check(next);
  } while (cursor !== '0');
  return found;
}
