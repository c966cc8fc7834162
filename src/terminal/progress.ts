import type { Writable } from 'node:stream';
import { logLine } from '../report/log-line.ts';
import type { Observer } from '../report/observer.ts';
import type { Style } from '../report/style.ts';
import type { Environment } from '../config/find.ts';
import { hasSpinner } from './first-line.ts';
import { spinnerProgress } from './spinner.ts';

/** An observer for the situation; `stop` before anything else is written to the same terminal. */
export interface ProgressView extends Observer {
  /** Clears the spinner until `resume`: for the question. */
  pause(): void;
  resume(): void;
  stop(): void;
}

export interface ProgressOptions {
  readonly stderr: Writable;
  readonly stderrIsTTY: boolean;
  readonly env: Environment;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly style: Style;
  /** What the spinner says before anything has been looked at. */
  readonly title: string;
}

/** Warnings when quiet, a spinner on a terminal, else (and when verbose) log lines of the contract. */
export function makeProgress(options: ProgressOptions): ProgressView {
  if (options.quiet) return quietProgress(options.stderr);
  return hasSpinner(options, options.stderrIsTTY, options.env['TERM'])
    ? spinnerProgress(options)
    : logProgress(options);
}

const nothing = (): void => undefined;

/** Warnings alone: they are what must not be missed when a wipe under cron says that all is well. */
function quietProgress(stderr: Writable): ProgressView {
  return {
    log: (entry) => {
      if (entry.step === 'warning') stderr.write(`${logLine(entry, new Date())}\n`);
    },
    progress: nothing,
    pause: nothing,
    resume: nothing,
    stop: nothing,
  };
}

/** Of a run that nobody watches. */
export function silence(): ProgressView {
  return { log: nothing, progress: nothing, pause: nothing, resume: nothing, stop: nothing };
}

/** Log lines; `DEBUG` and single items only when verbose. */
function logProgress(options: ProgressOptions): ProgressView {
  const { stderr, verbose } = options;
  const view: ProgressView = {
    log: (entry) => {
      if (entry.level === 'DEBUG' && !verbose) return;
      stderr.write(`${logLine(entry, new Date())}\n`);
    },
    progress: nothing,
    pause: nothing,
    resume: nothing,
    stop: nothing,
  };
  if (!verbose) return view;
  return {
    ...view,
    item: (service, step, name) => {
      const message = `${service}: ${step}: ${name}`;
      stderr.write(`${logLine({ level: 'DEBUG', message }, new Date())}\n`);
    },
  };
}
