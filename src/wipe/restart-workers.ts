import { setTimeout as sleep } from 'node:timers/promises';
import { isRestarted, tellToShutDown } from '../celery/control/restart.ts';
import { forgetHolds } from '../celery/hold.ts';
import { lookAtWorkers, refusable } from '../celery/look.ts';
import type { Mailbox } from '../celery/mailbox.ts';
import { ANSWER_MS, enquire } from '../celery/workers.ts';
import type { Worker } from '../celery/workers.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { counted } from '../report/text.ts';
import { settleAll } from '../settle-all.ts';
import { cancelRound } from '../commands/cancel-round.ts';
import { log, setHeld } from '../commands/crew.ts';
import type { Crew } from '../commands/crew.ts';
import { onLink } from '../commands/links.ts';
import { databaseOf } from '../commands/look-at-workers.ts';
import { crewWorkers } from './dropped-tasks.ts';
import { judgeSilent } from './silent-workers.ts';
import { wipeInFlight, wipeQueue } from '../commands/wipe-redis.ts';
import { notRestartedFailure } from '../commands/worker-warnings.ts';

/** A warm shutdown waits for running tasks; a supervisor waits before it starts a process again. */
const RESTART_MS = 60_000;
const POLL_MS = 500;

/** A worker that was told to shut down. */
interface Told {
  readonly before: Worker;
  /** How many tasks it runs that the shutdown waits for, and how many of those are the services'. */
  readonly running: number;
  readonly ownRunning: number;
}

/**
 * `--restart-workers`: tells the workers that keep revoked scheduled tasks of the services to shut
 * down warmly, waits until their supervisor has started them again, and holds them anew. One worker
 * may serve several services of a database, so that these are dealt with together.
 * @throws the signal's reason.
 */
export async function restartWorkers(crews: readonly Crew[], signal: AbortSignal): Promise<void> {
  const databases = new Map<string, Crew[]>();
  for (const crew of crews) {
    const label = crew.link?.label;
    if (label === undefined || crew.look === undefined) continue;
    databases.set(label, [...(databases.get(label) ?? []), crew]);
  }
  await settleAll([...databases.values()].map(async (group) => restartOnDatabase(group, signal)));
}

async function restartOnDatabase(crews: readonly Crew[], signal: AbortSignal): Promise<void> {
  const [first] = crews.filter(({ scheduled }) => scheduled.size > 0);
  if (first === undefined) return;
  // Nothing may be there that a restarted worker takes, or that one gives back when it ends.
  for (const { step } of crews) {
    await wipeQueue(step);
    await wipeInFlight(step);
  }
  await onCrew(first, async (broker) => {
    const mailbox = first.look?.mailbox;
    if (mailbox === undefined) return;
    const told = await shutDown(crews, broker, mailbox, signal);
    if (told.length === 0) return;
    const toldAt = performance.now();
    const missing = await waitForRestart(crews, told, mailbox, toldAt, signal);
    const back = told.filter((one) => !missing.includes(one));
    const names = new Set(back.map(({ before }) => before.name));
    for (const crew of crews) await onCrew(crew, async (own) => takeBack(crew, own, names));
    const seconds = Math.round((performance.now() - toldAt) / 1000);
    for (const one of missing) reportMissing(crews, one, seconds);
  });
}

async function onCrew(
  { step, link }: Crew,
  work: (broker: RedisConnection) => Promise<void>,
): Promise<void> {
  await onLink(link, { target: 'Celery', name: 'workers' }, step.report, work);
}

/** @returns those that were told: a worker that does not answer now would do it at any later time. */
async function shutDown(
  crews: readonly Crew[],
  broker: RedisConnection,
  mailbox: Mailbox,
  signal: AbortSignal,
): Promise<readonly Told[]> {
  const names = [...new Set(crews.flatMap(({ scheduled }) => [...scheduled.keys()]))];
  const enquiry = await enquire(mailbox, 'without scheduled', names);
  await mailbox.receiveUntil(() => enquiry.isComplete(), ANSWER_MS, signal);
  const told = await Promise.all(
    enquiry
      .workers()
      .filter(({ complete }) => complete)
      .map(async (before): Promise<Told> => {
        const own = await Promise.all(
          crews.map(async (crew) => crewWorkers(crew, broker, [before])),
        );
        const isActive = ({ state }: { readonly state: string }): boolean => state === 'active';
        const tasks = own.flat().flatMap((one) => one.tasks);
        const running = before.tasks.filter(isActive).length;
        return { before, running, ownRunning: tasks.filter(isActive).length };
      }),
  );
  if (told.length === 0) return [];
  await tellToShutDown(
    mailbox,
    told.map(({ before }) => before.name),
  );
  for (const { before, running } of told) {
    const wait = running === 0 ? '' : `, which waits for ${counted(running, 'running task')}`;
    for (const crew of holdersOf(crews, before.name)) {
      log(crew, 'restart', `Celery: ${before.name} told to shut down warmly${wait}`);
    }
  }
  return told;
}

/** @returns those that have not come back, by themselves or by another worker in their place. */
async function waitForRestart(
  crews: readonly Crew[],
  told: readonly Told[],
  mailbox: Mailbox,
  toldAt: number,
  signal: AbortSignal,
): Promise<readonly Told[]> {
  const known = new Set(
    crews.flatMap(({ look }) => look?.enquiry?.workers().map(({ name }) => name) ?? []),
  );
  const queues = new Set(crews.flatMap(({ step }) => step.keys.queues));
  for (;;) {
    const asked = performance.now();
    const enquiry = await enquire(mailbox, 'without scheduled');
    await mailbox.receiveUntil(() => enquiry.isComplete(), ANSWER_MS, signal);
    const workers = enquiry.workers();
    // By its uptime, which counts until it answered.
    const absent = told.filter(
      ({ before }) =>
        !workers.some(
          (now) => now.name === before.name && isRestarted(before, now, asked - toldAt),
        ),
    );
    const newcomers = workers.filter(
      (now) => !known.has(now.name) && now.queues?.some((queue) => queues.has(queue)) === true,
    );
    // A worker that still runs a task of the services is waited for itself.
    const replaced = absent.filter(
      ({ before, ownRunning }) =>
        ownRunning === 0 && !workers.some(({ name }) => name === before.name),
    );
    const missing = absent.filter((one) => !replaced.slice(0, newcomers.length).includes(one));
    if (missing.length === 0) return [];
    if (performance.now() > toldAt + RESTART_MS) return missing;
    const text = `wait for ${missing.map(({ before }) => before.name).join(', ')} to come back`;
    for (const { step } of crews) {
      const { name } = step.service.config;
      step.observer.progress({ service: name, step: text, done: missing.length, bytes: 0 });
    }
    await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
    signal.throwIfAborted();
  }
}

/** The holds of restarted workers are over; they consume by themselves, and are held anew. */
async function takeBack(
  crew: Crew,
  broker: RedisConnection,
  restarted: ReadonlySet<string>,
): Promise<void> {
  const { step, look, link } = crew;
  if (link === undefined) return;
  const over = crew.held.filter(({ worker }) => restarted.has(worker));
  await refusable(forgetHolds(broker, step.keys.broker, over, look?.mailbox?.oid));
  setHeld(
    crew,
    crew.held.filter((hold) => !over.includes(hold)),
  );
  for (const name of restarted) {
    if (crew.scheduled.delete(name)) log(crew, 'restart', `Celery: ${name} has come back`);
    crew.harmless.delete(name);
  }
  const names = step.keys.broker;
  const fresh = await lookAtWorkers(broker, names, databaseOf(link.target), step.signal);
  await look?.mailbox?.close();
  crew.look = fresh;
  await cancelRound(crew, broker);
  await judgeSilent(crew, broker);
}

function reportMissing(crews: readonly Crew[], one: Told, seconds: number): void {
  const { name } = one.before;
  for (const crew of holdersOf(crews, name)) {
    crew.scheduled.delete(name);
    crew.missing.add(name);
    crew.step.report(notRestartedFailure(name, seconds, one.running));
  }
}

function holdersOf(crews: readonly Crew[], name: string): readonly Crew[] {
  return crews.filter(({ scheduled }) => scheduled.has(name));
}
