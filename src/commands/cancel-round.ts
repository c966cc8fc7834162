import { setTimeout as sleep } from 'node:timers/promises';
import { revoke, unableToKill } from '../celery/cancel.ts';
import { tellToLeave } from '../celery/hold.ts';
import type { Mailbox } from '../celery/mailbox.ts';
import { ANSWER_MS, enquire } from '../celery/workers.ts';
import type { WorkerTask } from '../celery/workers.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { counted } from '../report/text.ts';
import { log, note } from './crew.ts';
import type { Crew } from './crew.ts';
import { hasOwn, ownWorkers, sharedTasksOf, tasksOf } from './look-at-workers.ts';
import type { OwnWorker, WorkersTask } from './look-at-workers.ts';
import { withEvidence } from '../wipe/task-evidence.ts';
import { noteScheduled } from '../wipe/scheduled-tasks.ts';
import { noteHarmless } from '../wipe/silent-workers.ts';
import { logRemoved } from './step-log.ts';
import { removeResultsOf, wipeInFlight } from './wipe-redis.ts';
import { partedConsumersWarning } from './worker-warnings.ts';

/** How long killed tasks may take to leave their worker, and dropped ones to be dropped. */
const CANCEL_MS = 5_000;

/**
 * Tells the workers that have answered by now to leave the service's queues, and kills what they have
 * of it. Called again when others have answered. Who is silent is told nothing but what to revoke:
 * both messages to leave and to come back would lie in its mailbox, and Celery defers both, in any
 * order (kombu/asynchronous/hub.py keeps what is to be done in a set), so that it might stay away.
 */
export async function cancelRound(crew: Crew, broker: RedisConnection): Promise<void> {
  const { step, look } = crew;
  if (look?.enquiry === undefined || look.mailbox === undefined) return;
  const { mailbox } = look;
  const all = await ownWorkers(broker, step.keys, look.enquiry.workers());
  noteHarmless(crew, all);
  noteScheduled(crew, look.enquiry.withScheduled ? all.filter(hasOwn) : []);
  // One that has told everything before and has nothing of the service need not tell it again.
  const known = all.filter((own) => hasOwn(own) || !crew.harmless.has(own.worker.name));
  await leaveQueues(crew, broker, known);
  const names = namesOf(crew, known);
  const raw = await askAgain(crew, broker, names, 'with scheduled');
  // What is in flight goes before anything is killed: kombu gives back nothing that is not there.
  const inFlight = await wipeInFlight(step);
  for (const id of inFlight) crew.evidence.set(id, 'redis');
  const silent = (crew.look?.enquiry?.silent() ?? 0) > 0;
  await revokeNew(crew, mailbox, inFlight, silent ? undefined : names);
  // What one told first counts, should it not answer any more.
  await revokeTold(crew, mailbox, tasksOf(await withEvidence(crew, broker, known)), names);
  let answer = { ...raw, own: await withEvidence(crew, broker, raw.own) };
  noteScheduled(crew, answer.own);
  const cancelled = new Map<string, WorkersTask>();
  const end = performance.now() + CANCEL_MS;
  for (let pause = 5; ; pause = Math.min(2 * pause, 100)) {
    const tasks = tasksOf(answer.own);
    for (const task of tasks) if (!cancelled.has(task.id)) cancelled.set(task.id, task);
    await revokeTold(crew, mailbox, tasks, names);
    const unable = unableToKill(crew.revocations);
    // A scheduled task stays with its worker, and is dropped at its time.
    const pending = tasks.filter(
      (task) => task.state !== 'scheduled' && !runsOn(task, unable),
    ).length;
    // The answer to being told to leave comes before the deed, which may be a while later.
    const consuming = answer.own.filter(({ queues }) => queues.length > 0);
    crew.unsettled = consuming.length + answer.secretive.length > 0;
    if (pending === 0 && !crew.unsettled) break;
    if (performance.now() > end) {
      const those = consuming.map(({ worker }) => worker.name);
      if (those.length > 0) step.warn(partedConsumersWarning(those));
      break;
    }
    await sleep(pause);
    step.signal.throwIfAborted();
    const again = await askAgain(crew, broker, names, 'without scheduled');
    answer = { ...again, own: await withEvidence(crew, broker, again.own) };
  }
  crew.askedAt = performance.now();
  crew.stubborn = tasksOf(answer.own).filter(({ state }) => state !== 'scheduled');
  crew.secretive = answer.secretive;
  noteShared(crew, answer.own);
  noteIdle(crew, names, answer);
  await noteCancelled(crew, cancelled);
}

/** Of the last answers: a worker that was told to leave a queue does not name it any more. */
function noteShared(crew: Crew, own: readonly OwnWorker[]): void {
  crew.shared = sharedTasksOf(
    own,
    crew.held.map(({ worker }) => worker),
  );
}

/** A worker that has left the queues and has nothing of the service may be silent from now on. */
function noteIdle(crew: Crew, names: readonly string[], answer: Answer): void {
  const busy = new Set([...answer.own.filter(hasOwn).map(({ worker }) => worker.name)]);
  for (const name of names) {
    const isOnlyOne = names.filter((other) => other === name).length === 1;
    if (busy.has(name) || answer.secretive.includes(name) || !isOnlyOne) crew.harmless.delete(name);
    else crew.harmless.set(name, crew.look?.clients?.subscribers ?? []);
  }
}

/** Counts what is gone of what the workers had, and removes the results that were left by it. */
async function noteCancelled(
  crew: Crew,
  cancelled: ReadonlyMap<string, WorkersTask>,
): Promise<void> {
  const { step } = crew;
  const stubborn = new Set(crew.stubborn.map(({ id }) => id));
  const unable = unableToKill(crew.revocations);
  const gone = [...cancelled.values()].filter(
    (task) =>
      !stubborn.has(task.id) && !runsOn(task, unable) && !crew.secretive.includes(task.worker),
  );
  const fresh = gone.filter(({ id }) => !step.tally.cancelled.has(id));
  for (const { id } of fresh) step.tally.cancelled.add(id);
  // A killed or dropped task leaves the result "revoked".
  await removeResultsOf(
    step,
    gone.map(({ id }) => id),
  );
  if (fresh.length === 0) return;
  const of = (state: WorkerTask['state']): number =>
    fresh.filter((task) => task.state === state).length;
  const [active, reserved, scheduled] = [of('active'), of('reserved'), of('scheduled')];
  logRemoved(
    step,
    'cancel',
    `Celery: ${counted(fresh.length, 'task')} cancelled (${active} running, ${reserved} reserved, ${scheduled} scheduled)`,
    { active, reserved, scheduled },
  );
}

/** It runs where nothing can kill it: what ends it is its own end. */
function runsOn({ state, worker }: WorkersTask, unable: ReadonlySet<string>): boolean {
  return state === 'active' && unable.has(worker);
}

/**
 * Notes it, and tells them. The BRPOP that one still waits in for its
 * second asks for the old queues, but it waits because these are empty; what comes now and is popped
 * by it, kombu puts back, since nobody consumes it.
 */
async function leaveQueues(
  crew: Crew,
  broker: RedisConnection,
  own: readonly OwnWorker[],
): Promise<void> {
  const { step, look } = crew;
  const { keys, signal } = step;
  const mailbox = look?.mailbox;
  if (mailbox === undefined) return;
  const isHeld = (name: string, queue: string): boolean =>
    crew.held.some((hold) => hold.worker === name && hold.queue === queue);
  const holds = own.flatMap(({ worker: { name }, queues }) =>
    queues.filter((queue) => !isHeld(name, queue)).map((queue) => ({ worker: name, queue })),
  );
  if (holds.length === 0) return;
  await note(crew, broker, holds, mailbox.oid);
  crew.unsettled = true;
  const told = await Promise.all(
    keys.queues.map(async (queue) => {
      const workers = holds.filter((hold) => hold.queue === queue).map(({ worker }) => worker);
      return { sent: await tellToLeave(mailbox, queue, workers), workers };
    }),
  );
  await mailbox.receiveUntil(
    () => told.every(({ sent, workers }) => sent.answered >= workers.length),
    ANSWER_MS,
    signal,
  );
  for (const queue of keys.queues) {
    const workers = holds.filter((hold) => hold.queue === queue).map(({ worker }) => worker);
    if (workers.length === 0) continue;
    log(crew, 'hold', `Celery: ${workers.join(', ')} told to stop consuming ${queue}`);
  }
}

interface Answer {
  readonly own: readonly OwnWorker[];
  /** Names of those that did not tell everything, or nothing any more. */
  readonly secretive: readonly string[];
}

/** What these workers consume and have now. */
async function askAgain(
  crew: Crew,
  broker: RedisConnection,
  names: readonly string[],
  scheduled: 'with scheduled' | 'without scheduled',
): Promise<Answer> {
  const mailbox = crew.look?.mailbox;
  if (mailbox === undefined || names.length === 0) return { own: [], secretive: [] };
  const again = await enquire(mailbox, scheduled, names);
  await mailbox.receiveUntil(() => again.isComplete(), ANSWER_MS, crew.step.signal);
  const workers = again.workers();
  const open = new Set(workers.filter(({ complete }) => complete).map(({ name }) => name));
  return {
    own: await ownWorkers(broker, crew.step.keys, workers),
    secretive: names.filter((name) => !open.has(name)),
  };
}

async function revokeNew(
  crew: Crew,
  mailbox: Mailbox,
  taskIds: readonly string[],
  to: readonly string[] | undefined,
): Promise<void> {
  const fresh = taskIds.filter((id) => !crew.revoked.has(id));
  for (const id of fresh) crew.revoked.add(id);
  crew.revocations.push(...(await revoke(mailbox, fresh, to)));
}

/** What is known by a worker's word alone is revoked at that worker alone. */
async function revokeTold(
  crew: Crew,
  mailbox: Mailbox,
  tasks: readonly WorkersTask[],
  names: readonly string[],
): Promise<void> {
  const isWord = ({ id }: WorkersTask): boolean => crew.evidence.get(id) === 'word';
  const ids = (of: readonly WorkersTask[]): readonly string[] => of.map(({ id }) => id);
  await revokeNew(crew, mailbox, ids(tasks.filter((task) => !isWord(task))), names);
  const words = tasks.filter(isWord);
  for (const worker of new Set(words.map((task) => task.worker))) {
    const those = words.filter((task) => task.worker === worker);
    await revokeNew(crew, mailbox, ids(those), [worker]);
  }
}

function namesOf(crew: Crew, own: readonly OwnWorker[]): readonly string[] {
  const silent = (crew.look?.enquiry?.silent() ?? 0) > 0;
  const answered = new Set(crew.look?.enquiry?.workers().map(({ name }) => name));
  // A hold of an earlier run may be of one that does not answer now.
  const held = crew.held
    .map(({ worker }) => worker)
    .filter((name) => !silent || answered.has(name));
  // Of several that go by one name all are waited for.
  const copies = own.flatMap(({ worker }) => Array<string>(worker.copies).fill(worker.name));
  return [...copies, ...new Set(held.filter((name) => !copies.includes(name)))];
}
