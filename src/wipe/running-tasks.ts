import { lookAtWorkers } from '../celery/look.ts';
import { countListeners } from '../celery/channels.ts';
import { ANSWER_MS, enquire } from '../celery/workers.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { countExisting } from '../redis/jobs.ts';
import { targetIdentity } from '../redis/target.ts';
import { counted } from '../report/text.ts';
import { log } from '../commands/crew.ts';
import type { Crew } from '../commands/crew.ts';
import { onLink, openBroker } from '../commands/links.ts';
import type { Link } from '../commands/links.ts';
import {
  canHaveWorkers,
  databaseOf,
  isRunning,
  sharedTasksOf,
  tasksOf,
} from '../commands/look-at-workers.ts';
import type { WorkersTask } from '../commands/look-at-workers.ts';
import { cannotAskWarning } from '../commands/worker-warnings.ts';
import { crewWorkers, takeNotedDrops } from './dropped-tasks.ts';
import { judgeSilent, noteHarmless } from './silent-workers.ts';

/**
 * Tasks that a run leaves to the workers: with --no-cancel-running, or without the kind queue. Each of
 * them may write a job, a result and files again, so that the run is not verified while they are there.
 */

/** Takes in what the workers told before anything is removed. @throws RedisError. */
export async function noteLeftRunning(crew: Crew, broker: RedisConnection): Promise<void> {
  await judgeAnswers(crew, broker);
  const { leftRunning, because } = crew;
  if (leftRunning.length === 0) return;
  const running = leftRunning.filter(isRunning).length;
  const tasks = counted(leftRunning.length, 'task');
  log(crew, 'hold', `Celery: ${tasks} (${running} running) left to the workers: ${because}`);
}

/**
 * Asks which tasks are still there. Comes before each look at what is left, so that the look finds what
 * the tasks that have ended wrote. Where the wipe itself needs no broker, this connects to it; a broker
 * that does not answer then is no failure of the wipe.
 * @throws the signal's reason.
 */
export async function refreshLeftRunning(crew: Crew): Promise<void> {
  const { step } = crew;
  const { config, redis } = step.service;
  if (step.keys.queues.length === 0) return;
  const report = (failure: Parameters<typeof step.report>[0]): void => {
    if (step.service.broker !== undefined) step.report(failure);
    else step.warn(notAskedWarning(failure.item, failure.reason), 'note');
  };
  crew.link ??= await openBroker(config, redis, report, step.signal);
  const { link } = crew;
  if (!canHaveWorkers(link)) return;
  await onLink(link, { target: 'Celery', name: 'workers' }, report, async (broker) => {
    await askAgain(crew, link, broker);
    await judgeAnswers(crew, broker);
    crew.leftRunning = await withoutKeptJobs(crew, link, broker);
  });
}

function notAskedWarning(label: string, reason: string): string {
  return `Celery: the workers of ${label} could not be asked for running tasks: ${reason}`;
}

async function askAgain(crew: Crew, link: Link, broker: RedisConnection): Promise<void> {
  const { step, look } = crew;
  const names = step.keys.broker;
  const db = databaseOf(link.target);
  if (look?.mailbox === undefined || look.enquiry === undefined) {
    // Known before: no worker listens, or this user may not ask the workers.
    if (look?.trouble !== undefined) return;
    if (look !== undefined && (await countListeners(broker, look.channels.all)) === 0) return;
    crew.look = await lookAtWorkers(broker, names, db, step.signal);
    const { trouble } = crew.look;
    if (trouble !== undefined) step.warn(cannotAskWarning(link, step.keys, trouble.message));
    return;
  }
  // A worker that does not read its messages is sent no more of them.
  await look.mailbox.receive();
  if (look.enquiry.silent() > 0) return;
  const enquiry = await enquire(look.mailbox, 'with scheduled');
  await look.mailbox.receiveUntil(() => enquiry.isComplete(), ANSWER_MS, step.signal);
  crew.look = { ...look, enquiry };
}

async function judgeAnswers(crew: Crew, broker: RedisConnection): Promise<void> {
  const enquiry = crew.look?.enquiry;
  if (enquiry === undefined) return;
  await takeNotedDrops(crew, broker);
  const own = await crewWorkers(crew, broker, enquiry.workers());
  crew.leftRunning = tasksOf(own);
  crew.shared = sharedTasksOf(own, []);
  crew.secretive = own.filter(({ worker }) => !worker.complete).map(({ worker }) => worker.name);
  noteHarmless(crew, own);
  await judgeSilent(crew, broker);
}

/**
 * With --older-than: a task whose job is still there writes a job and files that are as young as those
 * that stay. Where the jobs cannot be looked up every task counts.
 */
async function withoutKeptJobs(
  crew: Crew,
  link: Link,
  broker: RedisConnection,
): Promise<readonly WorkersTask[]> {
  const { service, keys } = crew.step;
  const { redis: target } = service.config;
  const isHere = target !== undefined && targetIdentity(target) === targetIdentity(link.target);
  const jobs = service.redis?.connection ?? (isHere ? broker : undefined);
  if (service.before === undefined || jobs === undefined) return crew.leftRunning;
  const isKept = await Promise.all(
    crew.leftRunning.map(async ({ id }) => {
      const names = keys.jobs.prefixes.map((prefix) => Buffer.from(prefix + id));
      return names.length > 0 && (await countExisting(jobs, names)) > 0;
    }),
  );
  return crew.leftRunning.filter((_, index) => isKept[index] !== true);
}
