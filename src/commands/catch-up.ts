import { MOST_REMEMBERED } from '../celery/cancel.ts';
import { readClients } from '../celery/clients.ts';
import { lookAtWorkers } from '../celery/look.ts';
import type { WorkerLook } from '../celery/look.ts';
import { countListeners } from '../celery/channels.ts';
import type { Mailbox } from '../celery/mailbox.ts';
import { ANSWER_MS, enquire } from '../celery/workers.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { cancelRound } from './cancel-round.ts';
import { isIdle } from './crew.ts';
import type { Crew } from './crew.ts';
import { onLink } from './links.ts';
import { databaseOf } from './look-at-workers.ts';
import { crewWorkers } from '../wipe/dropped-tasks.ts';
import { askWhenFree, isKeptByMemory, keptByMemoryFailure } from '../wipe/full-redis.ts';
import { sharedTaskFailures } from '../wipe/left-messages.ts';
import { refreshLeftRunning } from '../wipe/running-tasks.ts';
import { refreshScheduled } from '../wipe/scheduled-tasks.ts';
import { unaskedFailures } from '../wipe/unasked-workers.ts';
import { judgeSilent, silentOf } from '../wipe/silent-workers.ts';
import {
  forgottenTasksFailure,
  leftRunningFailure,
  scheduledTasksFailure,
  secretiveWorkersFailure,
  silentWorkersFailure,
  stubbornTasksFailure,
  surplusRepliesFailure,
  unprovenTasksFailure,
} from './worker-warnings.ts';

/** Workers with tasks that nothing can kill are asked again so often. */
export const BUSY_POLL_MS = 1_000;

/** And so often it is seen whether one that is silent still listens. */
const LISTENERS_POLL_MS = 1_000;

/**
 * Takes in who has answered since, their task having ended, and who has come since: a worker that was
 * started meanwhile. What they have is cancelled.
 * @returns whether nobody is left who may write again.
 */
export async function catchUp(crew: Crew, broker: RedisConnection): Promise<boolean> {
  const { look } = crew;
  if (look?.mailbox === undefined || look.enquiry === undefined) {
    await lookForNewcomers(crew, broker);
    await judgeSilent(crew, broker);
    return isIdle(crew);
  }
  const { enquiry, mailbox } = look;
  const before = enquiry.silent();
  await mailbox.receive();
  const answered = enquiry.silent() < before;
  // The rest of its answers are on their way, and tell what it had before it read what to revoke.
  if (answered) await mailbox.receiveUntil(() => enquiry.isComplete(), ANSWER_MS, crew.step.signal);
  await judgeSilent(crew, broker);
  // Who does not read its messages is sent no more than need be: Redis drops a client with too many.
  const isNew = answered
    ? false
    : crew.silent.count === 0
      ? await asksForMore(crew, broker, look.mailbox)
      : await looksAnew(crew, broker, look);
  const busy = crew.stubborn.length + crew.secretive.length + crew.shared.length > 0;
  if (answered || isNew || (busy && performance.now() > crew.askedAt + BUSY_POLL_MS)) {
    await cancelRound(crew, broker);
  }
  await judgeSilent(crew, broker);
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
  const own = await crewWorkers(crew, broker, enquiry.workers());
  const stubborn = new Set([...crew.stubborn, ...crew.unproven].map(({ id }) => id));
  const atWork = own.some(
    ({ queues, tasks }) => queues.length > 0 || tasks.some(({ id }) => !stubborn.has(id)),
  );
  const hidden = (await silentOf(crew, broker, enquiry)).count > 0;
  if (atWork || hidden) crew.look = { ...look, enquiry };
  return atWork;
}

/** While one is silent: asks everybody anew when others listen than before, or fewer. */
async function looksAnew(crew: Crew, broker: RedisConnection, look: WorkerLook): Promise<boolean> {
  const link = crew.link;
  if (link === undefined || look.clients === undefined) return false;
  if (performance.now() < crew.lookedAt + LISTENERS_POLL_MS) return false;
  crew.lookedAt = performance.now();
  const db = databaseOf(link.target);
  const now = await readClients(broker, db);
  if (now.subscribers.join(' ') === look.clients.subscribers.join(' ')) return false;
  const fresh = await lookAtWorkers(broker, crew.step.keys.broker, db, crew.step.signal);
  await look.mailbox?.close();
  crew.look = fresh;
  return true;
}

/** Nobody listened before. */
async function lookForNewcomers(crew: Crew, broker: RedisConnection): Promise<void> {
  const { step, look, link } = crew;
  if (link === undefined || look?.trouble !== undefined) return;
  if (look !== undefined && (await countListeners(broker, look.channels.all)) === 0) return;
  const db = databaseOf(link.target);
  crew.look = await lookAtWorkers(broker, step.keys.broker, db, step.signal);
  await cancelRound(crew, broker);
}

/**
 * Before a look: deals with the workers that have answered meanwhile, and asks for scheduled tasks.
 * @throws the signal's reason.
 */
export async function refreshCrew(crew: Crew): Promise<void> {
  if (!crew.cancel) await refreshLeftRunning(crew);
  if (crew.look === undefined) return;
  await onLink(
    crew.link,
    { target: 'Celery', name: 'workers' },
    crew.step.report,
    async (broker) => {
      await askWhenFree(crew, broker);
      if (crew.cancel) await catchUp(crew, broker);
      await refreshScheduled(crew, broker);
    },
  );
}

/** How many in-flight messages went that no worker named. */
function unnamedTasks({ step, named }: Crew): number {
  return [...step.tally.takenIds].filter((id) => !named.has(id)).length;
}

/** Whether somebody may write again; said in the report, with what it means. */
export function reportStragglers(crew: Crew): boolean {
  const { step, look, link, leftRunning, shared, unproven, stubborn, secretive, silent, missing } =
    crew;
  for (const [worker, tasks] of crew.scheduled) step.report(scheduledTasksFailure(worker, tasks));
  const unasked =
    look === undefined || link === undefined
      ? []
      : unaskedFailures(step.service.config, link, look, unnamedTasks(crew));
  const isKept = unasked.length === 0 && isKeptByMemory(crew);
  const failures = isKept ? [keptByMemoryFailure(crew)] : unasked;
  failures.forEach(step.report);
  const known = failures.length + crew.scheduled.size + missing.size > 0;
  if (look?.enquiry === undefined) return known;
  for (const worker of new Set(leftRunning.map((task) => task.worker))) {
    const tasks = leftRunning.filter((task) => task.worker === worker);
    step.report(leftRunningFailure(worker, tasks, crew.because));
  }
  for (const [worker, tasks] of shared)
    sharedTaskFailures(step.service, worker, tasks).forEach(step.report);
  const surplus = look.mailbox?.surplus ?? new Set();
  if (surplus.size > 0) step.report(surplusRepliesFailure(surplus));
  for (const worker of new Set(unproven.map((task) => task.worker))) {
    const tasks = unproven.filter((task) => task.worker === worker);
    const copies = look.enquiry.workers().find(({ name }) => name === worker)?.copies ?? 1;
    step.report(unprovenTasksFailure(worker, tasks, copies));
  }
  if (stubborn.length > 0) step.report(stubbornTasksFailure(stubborn));
  const revoked = crew.revocations.mostAtOneWorker();
  const forgotten = revoked > MOST_REMEMBERED;
  if (forgotten) step.report(forgottenTasksFailure(revoked));
  if (secretive.length > 0) step.report(secretiveWorkersFailure(secretive));
  if (silent.count > 0) {
    const unreadable = look.mailbox?.unreadable ?? new Set();
    step.report(silentWorkersFailure(silent.names, silent.count, unreadable));
  }
  return (
    known ||
    forgotten ||
    surplus.size + unproven.length > 0 ||
    leftRunning.length > 0 ||
    !isIdle(crew)
  );
}
