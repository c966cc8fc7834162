import type { Hold } from '../celery/hold.ts';
import type { WorkerTask } from '../celery/workers.ts';
import { printable } from '../report/printable.ts';
import { localTime } from '../report/log-line.ts';
import { capitalized, counted, grouped } from '../report/text.ts';
import type { Failure, Workers } from '../report/types.ts';
import type { Link } from './links.ts';
import { databaseOf, isRunning } from './look-at-workers.ts';
import type { WorkersTask } from './look-at-workers.ts';
import type { OpenService } from './open-services.ts';
import { serviceKeys } from './service-keys.ts';
import type { ServiceKeys } from './service-keys.ts';

/** What workers may still do after a wipe, one sentence each with its remedy. */

const WRITES_AGAIN = 'its job, result and file are written again when it ends';

/** Redis does not tell which list a client waits for. */
const NO_CONTROL_ADVICE =
  'a worker: stop it before the wipe and start it afterwards, or set worker_enable_remote_control; it may be a client that waits for rpc:// results, or another program that waits for a list, as well: run again when that does not wait';

export function cannotAskWarning(link: Link, keys: ServiceKeys, trouble: string): string {
  const channel = keys.broker.mailbox(databaseOf(link.target)).toString();
  const bindings = printable(keys.broker.binding(keys.broker.replyExchange));
  return `Celery: the workers on ${link.label} could not be asked or stopped (${trouble}): if a task runs now, ${WRITES_AGAIN}; stop the workers, or allow it: ACL SETUSER … +publish &${channel} and write access to ${bindings} and *.${keys.broker.replyExchange}`;
}

/** @param consumers those that do not listen. */
export function noRemoteControlWarning(link: Link, consumers: number): string {
  return `Celery: ${counted(consumers, 'consumer')} on ${link.label} ${consumers === 1 ? 'does' : 'do'} not listen to remote control: if a task runs there now, ${WRITES_AGAIN}; ${NO_CONTROL_ADVICE}`;
}

/** Of a look before a wipe, or of `stats`. */
export function workersWarnings(service: OpenService, workers: Workers): readonly string[] {
  const { broker: link } = service;
  if (link === undefined) return [];
  const { trouble, withoutRemoteControl, silent, silentNames, held, maybeHeld } = workers;
  const alike = workers.own.filter(({ copies }) => copies > 1);
  const queues = [...new Set(held.map(({ queue }) => queue))];
  return [
    ...(trouble === undefined ? [] : [cannotAskWarning(link, serviceKeys(service), trouble)]),
    ...(withoutRemoteControl > 0 ? [noRemoteControlWarning(link, withoutRemoteControl)] : []),
    ...(silent === 0
      ? []
      : [
          `Celery: ${whoIsSilent(silentNames, silent)} does not answer: busy with a task that cannot be interrupted (--pool=solo), or stuck; a wipe with --wait-idle 10m waits for it`,
        ]),
    ...queues.map((queue) => heldWarning(queue, held)),
    ...maybeHeld.map(maybeHeldWarning),
    ...workers.leftTasks,
    ...workers.own
      .filter(({ revoked }) => revoked.length > 0)
      .map(({ name, revoked }) => scheduledWarning(name, revoked)),
    ...workers.heldByOthers.map(
      ({ worker, queue }) =>
        `Celery: ${worker} does not consume ${queue}: a wipe that goes on now holds it`,
    ),
    ...alike.map(
      ({ name, copies }) =>
        `Celery: ${counted(copies, 'worker')} go by the name ${name}: give each its own --hostname`,
    ),
  ];
}

export function heldWarning(
  queue: string,
  held: readonly { readonly worker: string; readonly queue: string }[],
): string {
  const workers = held.filter((hold) => hold.queue === queue).map(({ worker }) => worker);
  return `Celery: ${workers.join(', ')} does not consume ${queue}: an earlier run told it to stop and did not resume it (killed, or it lost Redis); the next wipe or media-cleanup doctor --fix does`;
}

function maybeHeldWarning({ worker, queue }: Hold): string {
  return `Celery: ${worker} may still be held from ${queue}: an earlier run told it to stop, and it does not say now what it consumes; look again when it answers`;
}

/**
 * Tasks of one worker that this run did not cancel.
 * @param because why: the flag, or the kinds that were chosen.
 */
export function leftRunningFailure(
  worker: string,
  tasks: readonly WorkersTask[],
  because: string,
): Failure {
  const running = tasks.filter(isRunning).length;
  return {
    target: 'Celery',
    item: `worker ${worker}`,
    code: 'ERUNNING',
    reason: `Goes on with ${counted(tasks.length, 'task')} (${running} running: ${firstIds(tasks)}), not cancelled (${because}): each will write its job, result and files again`,
    hint: 'run again with the kind queue and without --no-cancel-running, or when they have ended',
  };
}

/**
 * Tasks that a worker names as the service's while something else says that they are not.
 * @param copies how many answered by that name.
 */
export function unprovenTasksFailure(
  worker: string,
  tasks: readonly WorkersTask[],
  copies: number,
): Failure {
  if (copies > 1) {
    return {
      target: 'Celery',
      item: `worker ${worker} (unproven)`,
      code: 'EUNPROVEN',
      reason: `${copies} workers answer by this name, so nobody can tell whose the ${counted(tasks.length, 'task')} are (${firstIds(tasks)}): not cancelled; each may write again`,
      hint: 'start each worker with a name of its own (celery worker -n <name>@%h), and run again; where there is only one, see who may write to this Redis',
    };
  }
  return {
    target: 'Celery',
    item: `worker ${worker} (unproven)`,
    code: 'EUNPROVEN',
    reason: `Names ${counted(tasks.length, 'task')} (${firstIds(tasks)}) that Redis or another reply shows to be another's, or that have ended: not cancelled; each may write again`,
    hint: 'give each worker a name of its own (--hostname), see who may write to this Redis, and run again',
  };
}

/** @param names in the replies that came when every worker had answered. */
export function surplusRepliesFailure(names: ReadonlySet<string>): Failure {
  return {
    target: 'Celery',
    item: 'replies of workers',
    code: 'EFORGED',
    reason: `More replies came (as ${[...names].slice(0, 5).join(', ')}) than workers listen: which of them are true, and what the workers do, is not known`,
    hint: 'see who may write to this Redis, restart the workers, and run again',
  };
}

function firstIds(tasks: readonly WorkersTask[]): string {
  const shown = tasks.slice(0, 5).map(({ id }) => id);
  const more = tasks.length - shown.length;
  return `${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

export function partedConsumersWarning(workers: readonly string[]): string {
  return `Celery: ${workers.join(', ')} went on consuming although told to stop: what they took meanwhile is written again when it ends`;
}

export function unnotedWarning(reason: string): string {
  return `Celery: the hold of the consumers could not be noted in Redis (${reason}): were this run killed, nobody would know of it`;
}

export function unconfirmedFailure({ worker, queue }: Hold): Failure {
  return {
    target: 'Celery',
    item: `worker ${worker} (${queue})`,
    code: 'EHELD',
    reason: `Has not confirmed that it consumes ${queue} again: it may do so once it reads its messages`,
    hint: `media-cleanup doctor --fix, or: celery --app <app> control --destination ${worker} add_consumer ${queue}`,
  };
}

/** How long a worker remembers what was revoked (celery/worker/state.py `REVOKE_EXPIRES`). */
const REMEMBERED_S = 10_800;

type Scheduled = Pick<WorkerTask, 'eta'>;

/**
 * Revoked scheduled tasks in the memory of a worker: when they are due, the worker stores a result,
 * and the app's handlers of `task_revoked` may write the jobs again.
 */
export function scheduledTasksFailure(worker: string, tasks: readonly Scheduled[]): Failure {
  return {
    target: 'Celery',
    item: `worker ${worker}`,
    code: 'ESCHEDULED',
    reason: capitalized(scheduledText(tasks)),
    hint: 'run again with --restart-workers, or restart the worker by hand and run again',
  };
}

/** For plan, stats and doctor: what an earlier run revoked. */
function scheduledWarning(worker: string, tasks: readonly Scheduled[]): string {
  return `Celery: ${worker} ${scheduledText(tasks)}; restart the worker and wipe, or wipe with --restart-workers`;
}

function scheduledText(tasks: readonly Scheduled[]): string {
  const isOne = tasks.length === 1;
  const kept = `keeps ${counted(tasks.length, 'revoked scheduled task')} in memory, ${dueText(tasks)}`;
  const then = `at that time the worker stores ${isOne ? 'a result' : 'a result for each'}, and the app may write ${isOne ? 'the job' : 'the jobs'} again (task_revoked)`;
  const late = tasks.filter((task) => secondsUntil(task) > REMEMBERED_S).length;
  if (late === 0) return `${kept}: ${then}`;
  const those = isOne
    ? 'that it is revoked'
    : `that ${grouped(late)} of them ${late === 1 ? 'is' : 'are'} revoked`;
  return `${kept}: ${then}; a worker remembers what is revoked for 3 hours and may have forgotten by then ${those}, and run ${late === 1 ? 'the task' : 'those tasks'}`;
}

/** Local time, earliest and latest. */
function dueText(tasks: readonly Scheduled[]): string {
  const times = tasks.map(({ eta }) => Date.parse(eta ?? '')).filter((time) => !Number.isNaN(time));
  if (times.length === 0) return 'due at a time that the worker does not tell';
  // Not Math.min(...times): there may be more than a call takes arguments.
  const earliest = times.reduce((one, other) => Math.min(one, other));
  const latest = times.reduce((one, other) => Math.max(one, other));
  const [first, last] = [earliest, latest].map((time) => localTime(new Date(time)));
  return first === last ? `due ${first}` : `due from ${first} to ${last}`;
}

/** A worker that was told to shut down for its scheduled tasks. @param waited seconds. */
export function notRestartedFailure(worker: string, waited: number, running: number): Failure {
  const busy =
    running === 0
      ? ''
      : `; a warm shutdown waits for running tasks, and the worker had ${counted(running, 'task')}`;
  return {
    target: 'Celery',
    item: `worker ${worker}`,
    code: 'ENORESTART',
    reason: `Was told to shut down and has not come back within ${waited} s${busy}`,
    hint:
      running === 0
        ? 'start it, and run again'
        : 'when its tasks have ended, start it if its supervisor does not, and run again',
  };
}

/** Of a wipe. @param consumers those that ask for messages as Celery does. */
export function withoutRemoteControlFailure(link: Link, consumers: number): Failure {
  return {
    target: 'Celery',
    item: `${counted(consumers, 'consumer')} on ${link.label}`,
    code: 'ENOCONTROL',
    reason: `${consumers === 1 ? 'Does' : 'Do'} not listen to remote control, and so cannot be asked or stopped: if a task runs there now, ${WRITES_AGAIN}`,
    hint: NO_CONTROL_ADVICE,
  };
}

function secondsUntil(task: Scheduled): number {
  const time = Date.parse(task.eta ?? '');
  return Number.isNaN(time) ? 0 : (time - Date.now()) / 1000;
}

/** @param names that they may have: more than there are when workers were killed. */
export function silentWorkersFailure(
  names: readonly string[],
  count: number,
  unreadable: ReadonlySet<string>,
): Failure {
  if (unreadable.size > 0) {
    return {
      target: 'Celery',
      item: itemOf(names, count),
      code: 'EUNREADABLE',
      reason: `Answers in ${[...unreadable].join(', ')}, which only Python reads (task_serializer): a task that it runs cannot be cancelled, and will finish and write again`,
      hint: 'stop the workers before the wipe, and start them afterwards',
    };
  }
  return {
    target: 'Celery',
    item: itemOf(names, count),
    code: 'EBUSYWORKER',
    reason:
      'Listens but does not answer, as while it runs a task that nothing can interrupt (--pool=solo): its task will finish and write again',
    hint: 'run again when it has ended, or with --wait-idle 10m, or restart the worker',
  };
}

function itemOf(names: readonly string[], count: number): string {
  const who = whoIsSilent(names, count);
  return names.length === 0 ? who : `worker ${who}`;
}

/** Of names that they may have: more than there are when workers were killed. */
export function whoIsSilent(names: readonly string[], count: number): string {
  if (names.length === 0) return counted(count, 'worker');
  if (names.length <= count) return names.join(', ');
  return count === 1 ? names.join(' or ') : `${count} of ${names.join(', ')}`;
}

/** Too many at once: the first are forgotten when the last are told. */
export function forgottenTasksFailure(count: number): Failure {
  return {
    target: 'Celery',
    item: 'revoked tasks',
    code: 'EREVOKED',
    reason: `${counted(count, 'task')} were revoked, and a worker remembers 50,000: others of them that are scheduled will run when they are due`,
    hint: 'restart the workers, and run again',
  };
}

export function secretiveWorkersFailure(workers: readonly string[]): Failure {
  return {
    target: 'Celery',
    item: `worker ${workers.join(', ')}`,
    code: 'EBUSYWORKER',
    reason:
      'Answered first and then not, or not everything: a task that it runs will finish and write again',
    hint: 'run again with --wait-idle 10m, or restart the worker',
  };
}

export function stubbornTasksFailure(tasks: readonly WorkersTask[]): Failure {
  const workers = [...new Set(tasks.map(({ worker }) => worker))];
  return {
    target: 'Celery',
    item: `worker ${workers.join(', ')}`,
    code: 'EBUSYWORKER',
    reason: `Goes on with ${counted(tasks.length, 'task')} that its pool cannot kill (${firstIds(tasks)}): each will finish and write again`,
    hint: 'run again when they have ended, or with --wait-idle 10m, or restart the worker',
  };
}
