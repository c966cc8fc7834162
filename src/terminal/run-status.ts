import { setTimeout as sleep } from 'node:timers/promises';
import { allRuns, findRun, readOutput, readReport } from '../commands/find-run.ts';
import type { StatusRequest } from '../commands/request.ts';
import type { Surroundings } from '../commands/surroundings.ts';
import { EXIT_CODE } from '../errors.ts';
import { jsonText } from '../report/json.ts';
import { logLine } from '../report/log-line.ts';
import { reportFromJson } from '../report/report-from-json.ts';
import { oneRunJson, runsJson } from '../report/run-json.ts';
import { runsText, runText } from '../report/run-text.ts';
import { statusOf } from '../report/run-types.ts';
import type { Run } from '../report/run-types.ts';
import { stateDirectory } from '../runs/state-directory.ts';
import { makeProgress } from './progress.ts';
import { styleFor } from './terminal.ts';
import type { Terminal } from './terminal.ts';

const POLL_MS = 200;

/** @throws CannotStart, or the signal's reason. */
export async function runStatus(
  request: StatusRequest,
  terminal: Terminal,
  surroundings: Surroundings,
  signal: AbortSignal,
): Promise<number> {
  const directory = stateDirectory({ ...surroundings, flag: request.stateDirectory });
  const style = await styleFor(terminal, 'stdout', !request.color);
  if (request.cleanupId === undefined && !request.wait) {
    const runs = allRuns(directory);
    const text =
      runs.length === 0 ? `No runs are kept in ${directory}.\n` : runsText(runs, new Date(), style);
    terminal.stdout.write(request.format === 'json' ? jsonText(runsJson(runs)) : text);
    return EXIT_CODE.done;
  }
  let run = findRun(directory, request.cleanupId);
  if (request.wait) run = await untilEnded(run, directory, request, terminal, signal);
  const report = readReport(directory, run);
  if (request.format === 'json') {
    terminal.stdout.write(jsonText(oneRunJson(run, report)));
  } else {
    const { kinds } = run.record;
    const told = report === undefined ? undefined : reportFromJson(report, kinds);
    const output = readOutput(directory, run);
    terminal.stdout.write(runText(run, told, output, new Date(), style));
  }
  if (!request.wait) return EXIT_CODE.done;
  return run.record.exitCode ?? EXIT_CODE.failed;
}

async function untilEnded(
  first: Run,
  directory: string,
  request: StatusRequest,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<Run> {
  const progress = makeProgress({
    ...terminal,
    // Where there is nothing to draw on, the end is what is waited for.
    quiet: !terminal.stderrIsTTY,
    verbose: false,
    line: logLine,
    style: await styleFor(terminal, 'stderr', !request.color),
    title: `${first.record.cleanupId}: getting ready`,
  });
  try {
    let run = first;
    while (statusOf(run) === 'processing') {
      if (run.progress !== undefined) progress.progress(run.progress);
      await sleep(POLL_MS, undefined, { signal }).catch(() => {
        signal.throwIfAborted();
      });
      run = findRun(directory, first.record.cleanupId);
    }
    return run;
  } finally {
    progress.stop();
  }
}
