import { setTimeout as sleep } from 'node:timers/promises';
import { tellToLeave } from '../celery/hold.ts';
import type { Mailbox } from '../celery/mailbox.ts';
import { ANSWER_MS, enquire } from '../celery/workers.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { log, note } from './crew.ts';
import type { Crew } from './crew.ts';
import { hasOwn, sharedTasksOf, tasksOf } from './look-at-workers.ts';
import type { OwnWorker } from './look-at-workers.ts';
import { isUnkillable, noteCancelled, noteUncounted } from '../wipe/count-cancelled.ts';
import { crewWorkers, noteDrops, takeNotedDrops } from '../wipe/dropped-tasks.ts';
import { withEvidence } from '../wipe/task-evidence.ts';
import { noteScheduled } from '../wipe/scheduled-tasks.ts';
import { noteHarmless, silentOf } from '../wipe/silent-workers.ts';
import { wipeInFlight } from './wipe-redis.ts';
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
  await takeNotedDrops(crew, broker);
  const workers = look.enquiry.workers();
  noteNamed(crew, workers);
  const all = await crewWorkers(crew, broker, workers);
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
  // What one told first counts, should it not answer any more.
  await revokeAt(crew, mailbox, await withEvidence(crew, broker, known));
  const first = { ...raw, own: await withEvidence(crew, broker, raw.own) };
  const answer = await revokeUntilGone(crew, broker, { mailbox, names, first, inFlight });
  crew.askedAt = performance.now();
  crew.stubborn = tasksOf(answer.own).filter(({ state }) => state !== 'scheduled');
  crew.secretive = answer.secretive;
  noteShared(crew, answer.own);
  noteIdle(crew, names, answer);
  await noteCancelled(crew, names);
}

/**
 * Revokes what the workers tell, and asks again until nothing of it is left but what cannot be killed,
 * and nobody consumes any more. In-flight tasks that no worker names are revoked at those that may
 * have them and do not say so: every other worker would only store a result for them (Celery 5.6).
 * @returns the last answers.
 */
async function revokeUntilGone(
  crew: Crew,
  broker: RedisConnection,
  {
    mailbox,
    names,
    first,
    inFlight,
  }: {
    readonly mailbox: Mailbox;
    readonly names: readonly string[];
    readonly first: Answer;
    readonly inFlight: readonly string[];
  },
): Promise<Answer> {
  const { step } = crew;
  const unplaced = new Set(inFlight);
  let answer = first;
  const end = performance.now() + CANCEL_MS;
  for (let pause = 5; ; pause = Math.min(2 * pause, 100)) {
    if (answer.withScheduled) noteScheduled(crew, answer.own);
    await revokeAt(crew, mailbox, answer.own);
    noteNamed(crew, answer.own);
    for (const { tasks, revoked } of answer.own)
      for (const { id } of [...tasks, ...revoked]) unplaced.delete(id);
    const answering = names.filter((name) => !answer.secretive.includes(name));
    await mailbox.receiveUntil(
      () => !crew.revocations.isWaitingFor(answering),
      ANSWER_MS,
      step.signal,
    );
    const isDivided = await crew.revocations.divide(mailbox);
    // A scheduled task stays with its worker, and is dropped at its time.
    const pending = tasksOf(answer.own).filter(
      (task) => task.state !== 'scheduled' && !isUnkillable(crew, task),
    ).length;
    // The answer to being told to leave comes before the deed, which may be a while later.
    const consuming = answer.own.filter(({ queues }) => queues.length > 0);
    crew.unsettled = consuming.length + answer.secretive.length > 0;
    // What was taken out of a queue at the last moment may be a scheduled task.
    const isAllTold = unplaced.size === 0 || answer.withScheduled;
    if (pending === 0 && !isDivided && !crew.unsettled && isAllTold) break;
    if (performance.now() > end) {
      const those = consuming.map(({ worker }) => worker.name);
      if (those.length > 0) step.warn(partedConsumersWarning(those));
      break;
    }
    await sleep(pause);
    step.signal.throwIfAborted();
    const scheduled = unplaced.size > 0 ? 'with scheduled' : 'without scheduled';
    const again = await askAgain(crew, broker, names, scheduled);
    answer = { ...again, own: await withEvidence(crew, broker, again.own) };
  }
  const enquiry = crew.look?.enquiry;
  const silent = enquiry === undefined ? [] : (await silentOf(crew, broker, enquiry)).names;
  const possible = [...new Set([...silent, ...answer.secretive])];
  await crew.revocations.tellPossible(mailbox, possible, [...unplaced]);
  return answer;
}

/** Workers say that they have these tasks. */
function noteNamed(crew: Crew, workers: readonly Pick<OwnWorker, 'tasks' | 'revoked'>[]): void {
  for (const { tasks, revoked } of workers) {
    for (const { id } of [...tasks, ...revoked]) {
      crew.named.add(id);
      crew.step.tally.sample.watch(id);
    }
  }
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
  /** Whether they were asked for scheduled tasks too. */
  readonly withScheduled: boolean;
}

/** What these workers consume and have now. */
async function askAgain(
  crew: Crew,
  broker: RedisConnection,
  names: readonly string[],
  scheduled: 'with scheduled' | 'without scheduled',
): Promise<Answer> {
  const mailbox = crew.look?.mailbox;
  const withScheduled = scheduled === 'with scheduled';
  if (mailbox === undefined || names.length === 0) return { own: [], secretive: [], withScheduled };
  const again = await enquire(mailbox, scheduled, names);
  await mailbox.receiveUntil(() => again.isComplete(), ANSWER_MS, crew.step.signal);
  const workers = again.workers();
  await noteDrops(crew, broker, workers);
  const open = new Set(workers.filter(({ complete }) => complete).map(({ name }) => name));
  return {
    own: await crewWorkers(crew, broker, workers),
    secretive: names.filter((name) => !open.has(name)),
    withScheduled,
  };
}

/** Each worker is told what it has itself. */
async function revokeAt(crew: Crew, mailbox: Mailbox, own: readonly OwnWorker[]): Promise<void> {
  for (const { worker, tasks } of own) {
    noteUncounted(crew, worker.name, tasks);
    await crew.revocations.tell(mailbox, worker.name, tasks);
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
