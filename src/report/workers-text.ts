import { localTime } from './log-line.ts';
import type { Style } from './style.ts';
import { counted, grouped, shown, wrap } from './text.ts';
import type { TaskCensus, WorkerCensus, Workers } from './types.ts';

/** Workers and what they have in their hands, for plan, stats and doctor. */

/** Who listens and waits, a line for each worker of the service, and one for each of its tasks. */
export function workerLines(workers: Workers, indent: number, style: Style): string[] {
  const start = ' '.repeat(indent);
  const line = (text: string): string[] =>
    wrap(`${start}${shown(text, style)}`, style.width, indent + 2);
  return [
    ...presence(workers).flatMap(line),
    ...workers.own.flatMap((worker) => [
      ...line(workerLine(worker)),
      ...taskLines(worker.tasks, indent + 2, style),
    ]),
  ];
}

/** Of the whole database: Redis does not say on which queue a client is blocked. */
function presence({ listening, waiting = 0 }: Workers): readonly string[] {
  if (listening + waiting === 0) return [];
  return [
    `Workers on this database: ${grouped(listening)} listening, ${counted(waiting, 'consumer')} waiting for messages`,
  ];
}

/** How many tasks the workers have in their hands. */
export function tasksInHand({ own }: Workers): number {
  return own.reduce((sum, { tasks }) => sum + tasks.length, 0);
}

function workerLine({ name, pid, queues, tasks }: WorkerCensus): string {
  const process = pid === undefined ? '' : ` (pid ${pid})`;
  const consumes = queues.length === 0 ? ', consumes none of its queues' : '';
  return `Worker ${name}${process}: ${tasksText(tasks)}${consumes}`;
}

/** `2 tasks running, 3 reserved, 5 scheduled`; `idle` without any. */
function tasksText(tasks: readonly TaskCensus[]): string {
  if (tasks.length === 0) return 'idle';
  const of = (state: TaskCensus['state']): number =>
    tasks.filter((task) => task.state === state).length;
  return `${counted(of('active'), 'task')} running, ${of('reserved')} reserved, ${of('scheduled')} scheduled`;
}

/** How many tasks are named; all are counted. */
const TASKS_SHOWN = 10;

function taskLines(tasks: readonly TaskCensus[], indent: number, style: Style): string[] {
  const start = ' '.repeat(indent);
  const lines = tasks
    .slice(0, TASKS_SHOWN)
    .flatMap((task) => wrap(`${start}${shown(taskLine(task), style)}`, style.width, indent + 2));
  const more = tasks.length - TASKS_SHOWN;
  if (more > 0)
    lines.push(`${start}${style.symbols.ellipsis} and ${counted(more, 'more task', 'more tasks')}`);
  return lines;
}

function taskLine({ id, name, state, pid, runtimeSeconds, eta }: TaskCensus): string {
  const process = pid === undefined ? '' : `, pid ${pid}`;
  const time = runtimeSeconds === undefined ? '' : ` for ${durationText(runtimeSeconds)}`;
  const due = eta === undefined ? '' : ` for ${readableTime(eta)}`;
  const word = state === 'active' ? 'running' : state;
  return `${id}  ${name}  ${word}${time}${due}${process}`;
}

/** What is no time stays as it is. */
function readableTime(iso: string): string {
  const time = new Date(iso);
  return Number.isNaN(time.getTime()) ? iso : localTime(time);
}

/** `12 s`, `3 min 20 s`, `2 h 5 min` */
function durationText(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
