import { setTimeout as sleep } from 'node:timers/promises';
import { revoke, unableToKill } from '../celery/cancel.ts';
import { readClients } from '../celery/clients.ts';
import { forgetHolds, noteHolds, tellToConsume, tellToLeave } from '../celery/hold.ts';
import type { Hold } from '../celery/hold.ts';
import { judgeHolds, lookAtWorkers, refusable, silentNames } from '../celery/look.ts';
import type { WorkerLook } from '../celery/look.ts';
import { countListeners, openMailbox, removeLeftovers } from '../celery/mailbox.ts';
import type { Mailbox, Sent } from '../celery/mailbox.ts';
import { ANSWER_MS, askForQueues, enquire } from '../celery/workers.ts';
import type { WorkerTask } from '../celery/workers.ts';
import { connectRedis } from '../redis/connect.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { RedisError } from '../redis/errors.ts';
import { counted } from '../report/text.ts';
import { onLink } from './links.ts';
import { canHaveWorkers, databaseOf, ownWorkers } from './look-at-workers.ts';
import type { OwnWorker, WorkersTask } from './look-at-workers.ts';
import { logRemoved } from './step-log.ts';
import {
  cannotAskWarning,
  laterWarnings,
  noRemoteControlWarning,
  notCancelledWarning,
  partedConsumersWarning,
  secretiveWorkersFailure,
  silentWorkersFailure,
  stubbornTasksFailure,
  unconfirmedWarning,
  unnotedWarning,
  whoIsSilent,
} from './worker-warnings.ts';
import { removeResultsOf, wipeInFlight, wipeQueue } from './wipe-redis.ts';
import type { StepContext } from './step.ts';

/**
 * The workers of one service for the time of a wipe: told to stop consuming, their tasks of this
 * service killed, and at the end told to go on. Whatever happens in between, `resumeConsumers` must
 * be called.
 */
export interface Crew {
  readonly step: StepContext;
  readonly cancel: boolean;
  look: WorkerLook | undefined;
  /** To be told to consume again. */
  held: readonly Hold[];
  /** Ids of tasks that are revoked already. */
  readonly revoked: Set<string>;
  /** What the workers replied to that. */
  readonly revocations: Sent[];
  /** Tasks that go on after their worker was told to kill them: no pool but prefork can. */
  stubborn: readonly WorkersTask[];
  /** Some were told to leave, and were not seen to have left. */
  unsettled: boolean;
  /** When they were asked last, and when who listens was looked at, by `performance.now()`. */
  askedAt: number;
  lookedAt: number;
  /** Workers that do not tell all of their tasks. */
  secretive: readonly string[];
  /** Told to the outside while consumers are held. */
  readonly onHold: (held: number) => void;
}

/** How long killed tasks may take to leave their worker, and dropped ones to be dropped. */
const CANCEL_MS = 5_000;
const IDLE_POLL_MS = 100;
/** Workers with tasks that nothing can kill are asked again so often. */
const BUSY_POLL_MS = 1_000;
/** And so often it is seen whether one that is silent still listens. */
const LISTENERS_POLL_MS = 1_000;

export function createCrew(
  step: StepContext,
  cancel: boolean,
  onHold: (held: number) => void,
): Crew {
  return {
    step,
    cancel,
    look: undefined,
    held: [],
    revoked: new Set(),
    revocations: [],
    stubborn: [],
    secretive: [],
    unsettled: false,
    askedAt: 0,
    lookedAt: 0,
    onHold,
  };
}

/**
 * Holds the consumers and cancels the tasks of one service; then waits up to `waitIdle` milliseconds
 * for workers that cannot be interrupted. A failure is reported, and the wipe goes on without.
 * @throws the signal's reason.
 */
export async function holdConsumers(crew: Crew, waitIdle: number): Promise<void> {
  const { step } = crew;
  const { service, keys, signal } = step;
  const { broker: link } = service;
  if (!canHaveWorkers(link) || keys.queues.length === 0) return;
  await onLink(link, { target: 'Celery', name: 'workers' }, step.report, async (broker) => {
    const [look] = await Promise.all([
      lookAtWorkers(broker, keys.broker, databaseOf(link.target), signal),
      refusable(removeLeftovers(broker, keys.broker)),
    ]);
    crew.look = look;
    if (look.trouble !== undefined) step.warn(cannotAskWarning(link, keys, look.trouble.message));
    else if (look.listening === 0 && (look.clients?.waiting ?? 0) > 0)
      step.warn(noRemoteControlWarning(link, look.clients?.waiting ?? 0));
    if (!crew.cancel) {
      await warnOfRunning(crew, broker);
      return;
    }
    await takeOver(crew, broker);
    await cancelRound(crew, broker);
    if (waitIdle === 0 || isIdle(crew)) return;
    // Whoever is waited for must not find another task when it has ended this one.
    await wipeQueue(step);
    await waitUntilIdle(crew, broker, waitIdle);
  });
}

/** With `--no-cancel-running`: what goes on while everything else is removed. */
async function warnOfRunning(crew: Crew, broker: RedisConnection): Promise<void> {
  const { step, look } = crew;
  if (look?.enquiry === undefined) return;
  const workers = await ownWorkers(broker, step.keys, look.enquiry.workers());
  const warning = notCancelledWarning(workers, look.enquiry.silent());
  if (warning !== undefined) step.warn(warning);
}

/** What a run that was killed has held, we hold now, so that it is resumed with ours. */
async function takeOver(crew: Crew, broker: RedisConnection): Promise<void> {
  const { step, look } = crew;
  if (look === undefined) return;
  const { standing, over } = await judgeHolds(broker, look, step.keys.queues);
  await forgetHolds(broker, step.keys.broker, over);
  for (const { worker, queue } of standing) {
    const message = `Celery: ${worker} is held from ${queue} by an earlier run: resumed at the end`;
    log(crew, 'hold', message);
  }
  if (standing.length > 0) setHeld(crew, [...crew.held, ...standing]);
}

/**
 * Tells the workers that have answered by now to leave the service's queues, and kills what they have
 * of it. Called again when others have answered. Who is silent is told nothing but what to revoke:
 * both messages to leave and to come back would lie in its mailbox, and Celery defers both, in any
 * order (kombu/asynchronous/hub.py keeps what is to be done in a set), so that it might stay away.
 */
async function cancelRound(crew: Crew, broker: RedisConnection): Promise<void> {
  const { step, look } = crew;
  if (look?.enquiry === undefined || look.mailbox === undefined) return;
  const { mailbox } = look;
  const known = await ownWorkers(broker, step.keys, look.enquiry.workers());
  await leaveQueues(crew, broker, known);
  const names = namesOf(crew, known);
  let answer = await askAgain(crew, broker, names, 'with scheduled');
  // What is in flight goes before anything is killed: kombu gives back nothing that is not there.
  const inFlight = await wipeInFlight(step);
  await revokeNew(crew, mailbox, inFlight, undefined);
  const cancelled = new Map<string, WorkersTask>();
  const end = performance.now() + CANCEL_MS;
  for (let pause = 5; ; pause = Math.min(2 * pause, 100)) {
    const tasks = tasksOf(answer.own);
    for (const task of tasks) if (!cancelled.has(task.id)) cancelled.set(task.id, task);
    const ids = tasks.map(({ id }) => id);
    await revokeNew(crew, mailbox, ids, names);
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
    answer = await askAgain(crew, broker, names, 'without scheduled');
  }
  crew.askedAt = performance.now();
  crew.stubborn = tasksOf(answer.own).filter(({ state }) => state !== 'scheduled');
  crew.secretive = answer.secretive;
  await noteCancelled(crew, cancelled);
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
    (task) => !stubborn.has(task.id) && !runsOn(task, unable),
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
  for (const warning of laterWarnings(fresh)) step.warn(warning.text, warning.weight);
}

/** It runs where nothing can kill it: what ends it is its own end. */
function runsOn({ state, worker }: WorkersTask, unable: ReadonlySet<string>): boolean {
  return state === 'active' && unable.has(worker);
}

function tasksOf(own: readonly OwnWorker[]): readonly WorkersTask[] {
  return own.flatMap(({ worker, tasks }) =>
    tasks.map((task) => Object.assign({ worker: worker.name }, task)),
  );
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

/**
 * Takes in who has answered since, their task having ended, and who has come since: a worker that was
 * started meanwhile. What they have is cancelled.
 * @returns whether nobody is left who may write again.
 */
async function catchUp(crew: Crew, broker: RedisConnection): Promise<boolean> {
  const { look } = crew;
  if (look?.mailbox === undefined || look.enquiry === undefined) {
    await lookForNewcomers(crew, broker);
    return isIdle(crew);
  }
  const before = look.enquiry.silent();
  await look.mailbox.receive();
  const answered = look.enquiry.silent() < before;
  // Who does not read its messages is sent no more than need be: Redis drops a client with too many.
  const isNew =
    look.enquiry.silent() === 0
      ? await asksForMore(crew, broker, look.mailbox)
      : await looksAnew(crew, broker, look);
  const busy = crew.stubborn.length + crew.secretive.length > 0;
  if (answered || isNew || (busy && performance.now() > crew.askedAt + BUSY_POLL_MS)) {
    await cancelRound(crew, broker);
  }
  return isIdle(crew);
}

/**
 * Asks everybody anew: whether one that was not known listens, answering or not, or one that was
 * consumes again. One that left the queues, had nothing, and is silent now, is no danger.
 */
async function asksForMore(
  crew: Crew,
  broker: RedisConnection,
  mailbox: Mailbox,
): Promise<boolean> {
  const { look } = crew;
  if (look?.enquiry === undefined) return false;
  const enquiry = await enquire(mailbox, 'without scheduled');
  await mailbox.receiveUntil(() => enquiry.isComplete(), ANSWER_MS, crew.step.signal);
  const own = await ownWorkers(broker, crew.step.keys, enquiry.workers());
  const stubborn = new Set(crew.stubborn.map(({ id }) => id));
  const atWork = own.some(
    ({ queues, tasks }) => queues.length > 0 || tasks.some(({ id }) => !stubborn.has(id)),
  );
  const answered = new Set(enquiry.workers().map(({ name }) => name));
  const silentNow = look.enquiry.workers().filter(({ name }) => !answered.has(name)).length;
  const hidden = enquiry.silent() > silentNow;
  if (atWork || hidden) crew.look = { ...look, enquiry };
  return atWork;
}

/** While one is silent: asks everybody anew when others listen than before, or fewer. */
async function looksAnew(crew: Crew, broker: RedisConnection, look: WorkerLook): Promise<boolean> {
  const link = crew.step.service.broker;
  if (link === undefined || look.clients === undefined) return false;
  if (performance.now() < crew.lookedAt + LISTENERS_POLL_MS) return false;
  crew.lookedAt = performance.now();
  const db = databaseOf(link.target);
  const now = await readClients(broker, db);
  if (now.subscribers === look.clients.subscribers) return false;
  const fresh = await lookAtWorkers(broker, crew.step.keys.broker, db, crew.step.signal);
  await look.mailbox?.close();
  crew.look = fresh;
  return true;
}

/** Nobody listened before. */
async function lookForNewcomers(crew: Crew, broker: RedisConnection): Promise<void> {
  const { step, look } = crew;
  const link = step.service.broker;
  if (link === undefined || look?.trouble !== undefined) return;
  const db = databaseOf(link.target);
  if ((await countListeners(broker, step.keys.broker, db)) === 0) return;
  crew.look = await lookAtWorkers(broker, step.keys.broker, db, step.signal);
  await cancelRound(crew, broker);
}

/** Nobody is left who may write again. */
function isIdle({ look, stubborn, secretive }: Crew): boolean {
  return (look?.enquiry?.silent() ?? 0) + stubborn.length + secretive.length === 0;
}

async function waitUntilIdle(
  crew: Crew,
  broker: RedisConnection,
  milliseconds: number,
): Promise<void> {
  const { step } = crew;
  const end = performance.now() + milliseconds;
  const name = step.service.config.name;
  const started = performance.now();
  let waitedFor = '';
  while (!(await catchUp(crew, broker))) {
    const left = end - performance.now();
    if (left <= 0) return;
    const busy = await busyWorkers(crew, broker);
    if (busy.text !== waitedFor) {
      const seconds = Math.ceil(left / 1000);
      log(crew, 'wait', `Celery: waiting up to ${seconds} s for ${busy.text} to finish`);
    }
    waitedFor = busy.text;
    const waiting = `wait for ${busy.text}`;
    step.observer.progress({ service: name, step: waiting, done: busy.count, bytes: 0 });
    await sleep(Math.min(IDLE_POLL_MS, left));
    step.signal.throwIfAborted();
  }
  if (waitedFor === '') return;
  const seconds = Math.round((performance.now() - started) / 1000);
  log(crew, 'wait', `Celery: ${waitedFor} has finished or gone after ${seconds} s`);
}

/** Who is waited for. */
async function busyWorkers(
  crew: Crew,
  broker: RedisConnection,
): Promise<{ readonly count: number; readonly text: string }> {
  const enquiry = crew.look?.enquiry;
  const silent = enquiry?.silent() ?? 0;
  const known = new Set([...crew.stubborn.map(({ worker }) => worker), ...crew.secretive]);
  const hidden =
    enquiry === undefined ? [] : await silentNames(broker, crew.step.keys.broker, enquiry);
  const text = [...known, ...(silent > 0 ? [whoIsSilent(hidden, silent)] : [])].join(', ');
  return { count: silent + known.size, text };
}

/** Before a look: whoever has answered meanwhile is dealt with. @throws the signal's reason. */
export async function refreshCrew(crew: Crew): Promise<void> {
  if (!crew.cancel || crew.look === undefined) return;
  await onLink(
    crew.step.service.broker,
    { target: 'Celery', name: 'workers' },
    crew.step.report,
    async (broker) => catchUp(crew, broker),
  );
}

/** Whether somebody may write again; said in the report, with what it means. */
export async function reportStragglers(crew: Crew): Promise<boolean> {
  const { step, look } = crew;
  if (!crew.cancel || look?.enquiry === undefined) return false;
  const { enquiry } = look;
  if (crew.stubborn.length > 0) step.report(stubbornTasksFailure(crew.stubborn));
  if (crew.secretive.length > 0) step.report(secretiveWorkersFailure(crew.secretive));
  if (enquiry.silent() > 0) {
    const names = await onLink(
      step.service.broker,
      { target: 'Celery', name: 'workers' },
      step.report,
      async (broker) => silentNames(broker, step.keys.broker, enquiry),
    );
    const unreadable = look.mailbox?.unreadable ?? new Set();
    step.report(silentWorkersFailure(names ?? [], enquiry.silent(), unreadable));
  }
  return !isIdle(crew);
}

const RESUME_TRIES = 3;
const RESUME_PAUSE_MS = 300;

/**
 * Tells every held consumer to go on, on a new connection where the old one is lost. Never throws
 * and listens to no signal: it is what must happen in every way out.
 */
export async function resumeConsumers(crew: Crew): Promise<void> {
  const { step } = crew;
  const link = step.service.broker;
  try {
    if (crew.held.length > 0 && link !== undefined) {
      for (let attempt = 1; ; attempt += 1) {
        try {
          await resume(crew, link.connection, databaseOf(link.target), attempt === 1);
          break;
        } catch (error) {
          if (!(error instanceof RedisError)) throw error;
          link.connection?.close();
          link.connection = undefined;
          if (attempt === RESUME_TRIES) throw error;
          await sleep(RESUME_PAUSE_MS * attempt);
          link.connection = await connectRedis(link.target, new AbortController().signal).catch(
            () => undefined,
          );
        }
      }
    } else {
      await crew.look?.mailbox?.close();
    }
  } catch (error) {
    const queues = [...new Set(crew.held.map(({ queue }) => queue))].join(', ');
    if (crew.held.length > 0) {
      step.report({
        target: 'Celery',
        item: queues,
        code: error instanceof RedisError ? error.code : 'ERR',
        reason: `Its consumers are still held: ${error instanceof Error ? error.message : String(error)}`,
        hint: 'when Redis answers again: media-cleanup doctor --fix',
      });
    }
  } finally {
    crew.onHold(0);
  }
}

async function resume(
  crew: Crew,
  broker: RedisConnection | undefined,
  db: number,
  isFirst: boolean,
): Promise<void> {
  const { step, look } = crew;
  const names = step.keys.broker;
  if (broker === undefined) throw new RedisError('ECONNRESET', 'Connection lost', '');
  // The one of the hold, unless the connection was lost that it is on.
  const mailbox = isFirst && look?.mailbox ? look.mailbox : await openMailbox(broker, names, db);
  try {
    // Read in one go, both may be done in any order.
    if (crew.unsettled) await sleep(SETTLE_MS);
    const done = await tellToResume(crew.held, mailbox);
    await refusable(forgetHolds(broker, names, done, look?.mailbox?.oid));
    for (const hold of crew.held) if (!done.includes(hold)) step.warn(unconfirmedWarning(hold));
    for (const queue of new Set(crew.held.map((hold) => hold.queue))) {
      const workers = done.filter((hold) => hold.queue === queue).map(({ worker }) => worker);
      if (workers.length > 0)
        log(crew, 'resume', `Celery: ${workers.join(', ')} consumes ${queue} again`);
    }
  } finally {
    await mailbox.close();
    if (mailbox !== look?.mailbox) await look?.mailbox?.close(broker);
  }
}

/** So long a worker that is told nothing more gets round to what it was told. */
const SETTLE_MS = 100;
/** How long a worker may take to consume again. */
const RESUME_MS = 3_000;

/**
 * Tells workers to consume again until they do: whoever was told to leave a moment ago may do both in
 * the wrong order. One that does not answer is not waited for, and reads it later.
 * @returns those that do. @throws RedisError.
 */
export async function tellToResume(
  holds: readonly Hold[],
  mailbox: Mailbox,
): Promise<readonly Hold[]> {
  const never = new AbortController().signal;
  const end = performance.now() + RESUME_MS;
  const done = new Set<Hold>();
  for (let pause = 10; done.size < holds.length; pause *= 2) {
    const open = holds.filter((hold) => !done.has(hold));
    const queues = [...new Set(open.map(({ queue }) => queue))];
    const told = await Promise.all(
      queues.map(async (queue) => {
        const workers = open.filter((hold) => hold.queue === queue).map(({ worker }) => worker);
        return { sent: await tellToConsume(mailbox, queue, workers), workers };
      }),
    );
    await mailbox.receiveUntil(
      () => told.every(({ sent, workers }) => workers.every((name) => sent.replies.has(name))),
      ANSWER_MS,
      never,
    );
    const names = [...new Set(told.flatMap(({ sent }) => [...sent.replies.keys()]))];
    if (names.length === 0) break;
    // The answer comes before the deed.
    await sleep(pause);
    const consuming = await askForQueues(mailbox, names);
    for (const hold of open) {
      if (consuming.get(hold.worker)?.includes(hold.queue) === true) done.add(hold);
    }
    if (performance.now() > end) break;
  }
  return holds.filter((hold) => done.has(hold));
}

/** Notes holds before they are made. @throws RedisError of the connection. */
async function note(
  crew: Crew,
  broker: RedisConnection,
  holds: readonly Hold[],
  oid: string,
): Promise<void> {
  const { step } = crew;
  const noted = await refusable(noteHolds(broker, step.keys.broker, holds, oid));
  if (noted instanceof RedisError) step.warn(unnotedWarning(noted.message), 'note');
  setHeld(crew, [...crew.held, ...holds]);
}

function setHeld(crew: Crew, held: readonly Hold[]): void {
  crew.held = held;
  crew.onHold(held.length);
}

function log(crew: Crew, step: string, message: string): void {
  const { observer, service } = crew.step;
  observer.log({ level: 'INFO', service: service.config.name, step, message });
}
