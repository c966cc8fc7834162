import { harmless } from './printable.ts';
import type { ServiceReport } from './types.ts';

/** A run in Prometheus' text format, for the textfile collector of node_exporter. */

export interface RunMetrics {
  readonly startedAt: Date;
  readonly finishedAt: Date;
  /** Of the whole command, 0 to 255. */
  readonly exitCode: number;
  /** Undefined: the run could not start, so there are no samples of services. */
  readonly services: readonly ServiceReport[] | undefined;
}

interface Sample {
  readonly value: number;
  readonly labels?: Readonly<Record<string, string>>;
}

const PREFIX = 'media_cleanup_';
const LAST_SUCCESS = 'last_success_timestamp_seconds';

/** Of one service; the name tells the unit where it is no count. */
const OF_SERVICE: readonly (readonly [
  name: string,
  help: string,
  figure: (service: ServiceReport) => number,
])[] = [
  ['jobs_removed', 'Job keys that the last run removed.', (one) => one.jobsRemoved],
  ['results_removed', 'Celery results that the last run removed.', (one) => one.resultsRemoved],
  [
    'tasks_removed',
    'Queued and in-flight tasks that the last run removed.',
    (one) => one.tasksPurged.queued + one.tasksPurged.inFlight,
  ],
  ['tasks_cancelled', 'Running tasks that the last run cancelled.', (one) => one.tasksCancelled],
  [
    'files_deleted',
    'Files that the last run deleted, models not counted.',
    (one) => one.filesDeleted,
  ],
  ['models_deleted', 'Model files that the last run deleted.', (one) => one.modelsDeleted],
  ['freed_bytes', 'Allocated bytes that the last run freed.', (one) => one.bytesFreed],
  [
    'held_open_bytes',
    'Bytes of deleted files that a process still held open after the last run.',
    (one) => one.bytesHeldOpen,
  ],
  ['errors', 'Errors of the last run.', (one) => one.failures.total],
  ['warnings', 'Warnings of the last run.', (one) => one.warnings.length],
  [
    'verified',
    'Whether the last run looked again and nothing was left (1), or not (0).',
    (one) => Number(one.verified),
  ],
];

/**
 * The whole file with a line end. Times are Unix seconds. Never throws for what `previous` holds.
 * @param previous what the file held before: the time of the last success is carried over.
 */
export async function metricsText(run: RunMetrics, previous: string | undefined): Promise<string> {
  // Loaded only when asked for. By its default: in a bundle a CommonJS package has no other export.
  const { Gauge, Registry } = (await import('prom-client')).default;
  const registry = new Registry();
  const add = (name: string, help: string, samples: readonly Sample[]): void => {
    if (samples.length === 0) return;
    const labelNames = Object.keys(samples[0]?.labels ?? {});
    const gauge = new Gauge({ name: PREFIX + name, help, labelNames, registers: [registry] });
    for (const { labels = {}, value } of samples) gauge.set(labels, value);
  };
  const finished = run.finishedAt.getTime() / 1000;
  const duration = Math.max(0, (run.finishedAt.getTime() - run.startedAt.getTime()) / 1000);
  const success = run.exitCode === 0 ? finished : lastSuccess(previous, finished);
  add('last_run_timestamp_seconds', 'When the last run finished.', [{ value: finished }]);
  add(
    LAST_SUCCESS,
    'When the last run with exit code 0 finished.',
    success === undefined ? [] : [{ value: success }],
  );
  add('last_run_exit_code', 'Exit code of the last run.', [{ value: run.exitCode }]);
  add('last_run_duration_seconds', 'How long the last run took.', [{ value: duration }]);
  const services = run.services ?? [];
  for (const [name, help, figure] of OF_SERVICE) {
    const samples = services.map((one) => ({ labels: labelsOf(one), value: figure(one) }));
    add(name, help, samples);
  }
  const remaining = services.flatMap((one) =>
    Object.entries(one.remaining)
      // Of what is not known there is no sample: 0 would be an answer.
      .filter(([kind, value]: [string, number]) => value > 0 || !isUnseen(one, kind))
      .map(([kind, value]: [string, number]) => ({ labels: { ...labelsOf(one), kind }, value })),
  );
  add('remaining', 'What the last run found again at its end, by kind.', remaining);
  return await registry.metrics();
}

function isUnseen({ unseen }: ServiceReport, name: string): boolean {
  return unseen.some((kind) => (kind === 'queue' ? 'tasks' : kind) === name);
}

/** prom-client escapes backslash, quote and newline; a NUL or lone CR would end a line for others. */
function labelsOf(service: ServiceReport): { readonly service: string } {
  return { service: harmless(service.name) };
}

/**
 * Only of a whole line: half a number is another number. A time that is still to come is of a clock
 * that was wrong, and would keep every alert silent until then.
 */
function lastSuccess(previous: string | undefined, now: number): number | undefined {
  const pattern = new RegExp(
    `^${PREFIX}${LAST_SUCCESS}(?:\\{\\})?[ \\t]+(\\S+)[ \\t]*\\r?\\n`,
    'm',
  );
  const [, text] = pattern.exec(previous ?? '') ?? [];
  const value = Number(text);
  return Number.isFinite(value) && value > 0 && value <= now ? value : undefined;
}
