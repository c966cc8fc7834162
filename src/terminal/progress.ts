import type { Writable } from 'node:stream';
import type { LogEntry, Observer } from '../report/observer.ts';
import type { Style } from '../report/style.ts';
import type { Environment } from '../config/find.ts';
import { hasSpinner } from './first-line.ts';
import type { LineFormat } from './line-format.ts';
import { createMeter, kindOf } from './meter.ts';
import { progressSentence } from './progress-line.ts';
import { spinnerProgress } from './spinner.ts';

/** An observer for the situation; `stop` before anything else is written to the same terminal. */
export interface ProgressView extends Observer {
  /** Clears the spinner until `resume`: for the question. */
  pause(): void;
  resume(): void;
  /** Ends the line that the terminal itself has begun, by echoing a key; only on a terminal. */
  freshLine(): void;
  stop(): void;
}

export interface ProgressOptions {
  readonly stderr: Writable;
  readonly stderrIsTTY: boolean;
  readonly env: Environment;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly wantsLines?: boolean;
  readonly style: Style;
  readonly line: LineFormat;
  /** What the spinner says before anything has been looked at. */
  readonly title: string;
}

/** Warnings when quiet, a spinner on a terminal, else (and when verbose) log lines of the contract. */
export function makeProgress(options: ProgressOptions): ProgressView {
  if (options.quiet) return quietProgress(options);
  return hasSpinner(options, options.stderrIsTTY, options.env['TERM'])
    ? spinnerProgress(options)
    : logProgress(options);
}

const nothing = (): void => undefined;

/**
 * Warnings, which must not be missed when a wipe under cron says that all is well, and the answer to
 * a signal.
 */
function quietProgress(options: ProgressOptions): ProgressView {
  const { stderr, line } = options;
  return {
    log: (entry) => {
      if (['warning', 'interrupt'].includes(entry.step))
        stderr.write(`${line(entry, new Date())}\n`);
    },
    progress: nothing,
    pause: nothing,
    resume: nothing,
    freshLine: () => {
      endLine(options);
    },
    stop: nothing,
  };
}

function endLine({ stderr, stderrIsTTY }: ProgressOptions): void {
  if (stderrIsTTY) stderr.write('\n');
}

/** Of a run that nobody watches. */
export function silence(): ProgressView {
  return {
    log: nothing,
    progress: nothing,
    pause: nothing,
    resume: nothing,
    freshLine: nothing,
    stop: nothing,
  };
}

/** From one line about a step that goes on to the next: for cron's logs, and for who listens. */
const TELL_EVERY_MS = 30_000;
const LOOK_EVERY_MS = 5000;

/** Log lines, also about steps that take long; `DEBUG` and single items only when verbose. */
function logProgress(options: ProgressOptions): ProgressView {
  const { stderr, verbose, line } = options;
  const meter = createMeter();
  let step = '';
  let told = 0;
  let isPaused = false;
  const write = (entry: LogEntry): void => {
    stderr.write(`${line(entry, new Date())}\n`);
  };
  const tell = (): void => {
    const now = performance.now();
    const reading = meter.read(now);
    if (isPaused || reading === undefined || now - told < TELL_EVERY_MS) return;
    told = now;
    write({ level: 'INFO', step: 'progress', message: progressSentence(reading) });
  };
  // The core may hold the event loop, and a step may have nothing to tell for long.
  const timer = setInterval(tell, LOOK_EVERY_MS).unref();
  const view: ProgressView = {
    expect: (totals) => {
      meter.expect(totals);
    },
    log: (entry) => {
      meter.logged(entry);
      if (entry.level === 'DEBUG' && !verbose) return;
      write(entry);
    },
    progress: (progress) => {
      const now = performance.now();
      const isSilent = meter.read(now) === undefined;
      meter.progress(progress, now);
      const key = kindOf(progress.step);
      if (isSilent || key !== step) told = now;
      step = key;
      tell();
    },
    pause: () => {
      isPaused = true;
    },
    resume: () => {
      isPaused = false;
    },
    freshLine: () => {
      endLine(options);
    },
    stop: () => {
      clearInterval(timer);
    },
  };
  if (!verbose) return view;
  return {
    ...view,
    item: (service, kind, name) => {
      write({ level: 'DEBUG', service, step: kind, message: `${service}: ${kind}: ${name}` });
    },
  };
}
