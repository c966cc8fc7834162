import { setTimeout as sleep } from 'node:timers/promises';
import { findRun, readLog } from '../commands/find-run.ts';
import type { LogsRequest } from '../commands/request.ts';
import type { Surroundings } from '../commands/surroundings.ts';
import { EXIT_CODE } from '../errors.ts';
import { jsonLine } from '../report/json.ts';
import { logLine } from '../report/log-line.ts';
import type { LogLevel } from '../report/observer.ts';
import { statusOf } from '../report/run-types.ts';
import type { Style } from '../report/style.ts';
import { stateDirectory } from '../runs/state-directory.ts';
import { styleFor } from './terminal.ts';
import type { Terminal } from './terminal.ts';

const POLL_MS = 200;

/** @throws CannotStart, or the signal's reason. */
export async function runLogs(
  request: LogsRequest,
  terminal: Terminal,
  surroundings: Surroundings,
  signal: AbortSignal,
): Promise<number> {
  const directory = stateDirectory({ ...surroundings, flag: request.stateDirectory });
  const style = await styleFor(terminal, 'stdout', !request.color);
  let run = findRun(directory, request.cleanupId);
  let shown = 0;
  const reader = { isGone: false };
  // `| head`: with nobody left who reads, nothing is waited for.
  terminal.stdout.once('error', () => {
    reader.isGone = true;
  });
  for (;;) {
    // First the end and then the log: what comes between the two is read.
    const hasEnded = statusOf(run) !== 'processing';
    const log = readLog(directory, run);
    const end = log.lastIndexOf('\n') + 1;
    for (const line of log.slice(shown, end).split('\n')) {
      if (line !== '') terminal.stdout.write(lineText(line, request, style));
    }
    shown = end;
    if (!request.follow || hasEnded || reader.isGone) break;
    await sleep(POLL_MS, undefined, { signal }).catch(() => {
      signal.throwIfAborted();
    });
    run = findRun(directory, run.record.cleanupId);
  }
  if (statusOf(run) === 'died') {
    terminal.stderr.write(
      `media-cleanup: ${run.record.cleanupId} has not told of an end: its process is gone\n`,
    );
  }
  return EXIT_CODE.done;
}

function lineText(line: string, request: LogsRequest, style: Style): string {
  let entry: { readonly time: string; readonly level: LogLevel; readonly message: string };
  try {
    entry = JSON.parse(line) as typeof entry;
  } catch {
    return '';
  }
  if (request.format === 'json') return jsonLine(entry);
  const text = logLine(entry, new Date(entry.time));
  const paint = { DEBUG: style.dim, INFO: asIs, WARNING: style.yellow, ERROR: style.red };
  return `${paint[entry.level](text)}\n`;
}

function asIs(text: string): string {
  return text;
}
