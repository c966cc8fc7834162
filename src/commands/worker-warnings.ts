import type { Hold } from '../celery/hold.ts';
import type { WorkerTask } from '../celery/workers.ts';
import { counted } from '../report/text.ts';
import type { Failure, Workers } from '../report/types.ts';
import type { Link } from './links.ts';
import { databaseOf } from './look-at-workers.ts';
import type { OwnWorker, WorkersTask } from './look-at-workers.ts';
import type { OpenService } from './open-services.ts';
import { serviceKeys } from './service-keys.ts';
import type { ServiceKeys } from './service-keys.ts';
import { warning } from './warnings.ts';
import type { Warning } from './warnings.ts';

/** What workers may still do after a wipe, one sentence each with its remedy. */

const WRITES_AGAIN = 'its job, result and file are written again when it ends';

export function cannotAskWarning(link: Link, keys: ServiceKeys, trouble: string): string {
  const channel = keys.broker.mailbox(databaseOf(link.target)).toString();
  return `Celery: the workers on ${link.label} could not be asked or stopped (${trouble}): if a task runs now, ${WRITES_AGAIN}; stop the workers, or allow it: ACL SETUSER … +publish &${channel} and write access to _kombu.binding.reply.celery.pidbox and *.reply.celery.pidbox`;
}

/** @param consumers how many more there are than workers that listen. */
export function noRemoteControlWarning(link: Link, consumers: number): string {
  return `Celery: ${counted(consumers, 'consumer')} on ${link.label} ${consumers === 1 ? 'does' : 'do'} not listen to remote control: if a task runs there now, ${WRITES_AGAIN}; stop the workers, or set worker_enable_remote_control`;
}

/** Of a look before a wipe, or of `stats`. */
export function workersWarnings(service: OpenService, workers: Workers): readonly string[] {
  const { broker: link } = service;
  if (link === undefined) return [];
  const { trouble, listening, consumers = 0, silent, silentNames, held, heldByOthers } = workers;
  const alike = workers.own.filter(({ copies }) => copies > 1);
  const queues = [...new Set(held.map(({ queue }) => queue))];
  return [
    ...(trouble === undefined ? [] : [cannotAskWarning(link, serviceKeys(service), trouble)]),
    ...(trouble === undefined && consumers > listening
      ? [noRemoteControlWarning(link, consumers - listening)]
      : []),
    ...(silent === 0
      ? []
      : [
          `Celery: ${whoIsSilent(silentNames, silent)} does not answer: busy with a task that cannot be interrupted (--pool=solo), or stuck; a wipe with --wait-idle 10m waits for it`,
        ]),
    ...queues.map((queue) => heldWarning(queue, held)),
    ...heldByOthers.map(
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

export function notCancelledWarning(
  workers: readonly OwnWorker[],
  silent: number,
): string | undefined {
  const tasks = workers.flatMap((one) => one.tasks);
  const running = tasks.filter(({ state }) => state === 'active').length;
  const parts = [
    ...(tasks.length === 0
      ? []
      : [`${counted(tasks.length, 'task')} (${running} running) left to the workers`]),
    ...(silent === 0 ? [] : [`${counted(silent, 'worker')} busy or stuck`]),
  ];
  if (parts.length === 0) return undefined;
  return `Celery: ${parts.join(', ')} because of --no-cancel-running: what they work on is written again when it ends`;
}

export function partedConsumersWarning(workers: readonly string[]): string {
  return `Celery: ${workers.join(', ')} went on consuming although told to stop: what they took meanwhile is written again when it ends`;
}

export function unnotedWarning(reason: string): string {
  return `Celery: the hold of the consumers could not be noted in Redis (${reason}): were this run killed, nobody would know of it`;
}

export function unconfirmedWarning({ worker, queue }: Hold): string {
  return `Celery: ${worker} has not confirmed that it consumes ${queue} again: it does once it reads its messages; see media-cleanup doctor`;
}

/** How long a worker remembers what was revoked (celery/worker/state.py `REVOKE_EXPIRES`). */
const REMEMBERED_S = 10_800;

/** Scheduled tasks stay in the memory of their worker. */
export function laterWarnings(cancelled: readonly WorkersTask[]): readonly Warning[] {
  const scheduled = cancelled.filter(({ state }) => state === 'scheduled');
  return [...new Set(scheduled.map(({ worker }) => worker))].flatMap((name) => {
    const tasks = scheduled.filter(({ worker }) => worker === name);
    const late = tasks.filter((task) => secondsUntil(task) > REMEMBERED_S).length;
    const one = tasks.length === 1;
    const note: Warning = {
      text: `Celery: ${name} keeps ${counted(tasks.length, 'revoked task')} until ${one ? 'it is' : 'they are'} due, then drops ${one ? 'it' : 'them'} and stores the result "revoked"; restart the worker to prevent that`,
      weight: 'note',
    };
    if (late === 0) return [note];
    return [
      note,
      warning(
        `Celery: ${name} may have forgotten by then that ${late === 1 ? 'one' : late} of them ${late === 1 ? 'is' : 'are'} revoked (it remembers that for 3 hours), and run ${late === 1 ? 'it' : 'them'}: restart the worker before`,
      ),
    ];
  });
}

function secondsUntil(task: WorkerTask): number {
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
  const ids = tasks.map(({ id }) => id);
  const shown = ids.slice(0, 5).join(', ');
  const more = ids.length > 5 ? ` and ${ids.length - 5} more` : '';
  return {
    target: 'Celery',
    item: `worker ${workers.join(', ')}`,
    code: 'EBUSYWORKER',
    reason: `Goes on with ${counted(tasks.length, 'task')} that its pool cannot kill (${shown}${more}): each will finish and write again`,
    hint: 'run again when they have ended, or with --wait-idle 10m, or restart the worker',
  };
}
