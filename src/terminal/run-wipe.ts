import type { WipeRequest } from '../commands/request.ts';
import type { Surroundings } from '../commands/surroundings.ts';
import type { Handover, Plan } from '../commands/wipe.ts';
import { CannotStart, EXIT_CODE } from '../errors.ts';
import { journalLine } from '../report/log-line.ts';
import { fanOut } from '../report/observer.ts';
import { harmless } from '../report/printable.ts';
import { startLongTimer } from '../long-timer.ts';
import { durationText } from '../report/text.ts';
import { reportExitCode, reportMessage } from '../report/totals.ts';
import type { WipeReport } from '../report/types.ts';
import { stateDirectory } from '../runs/state-directory.ts';
import { titleOf, wantsLines } from './first-line.ts';
import { hearSignal } from './hear-signal.ts';
import { lineFormat } from './line-format.ts';
import { makeProgress, silence } from './progress.ts';
import type { ProgressView } from './progress.ts';
import type { Caller } from './run.ts';
import { openOutputs } from './run-outputs.ts';
import type { RunOutputs } from './run-outputs.ts';
import { styleFor } from './terminal.ts';
import type { Terminal } from './terminal.ts';

/**
 * A wipe against a terminal: question and progress on stderr, the report on stdout, and what it tells
 * elsewhere. In the background there is no terminal, and only the latter.
 * @throws CannotStart, or the signal's reason.
 */
export async function runWipe(
  request: WipeRequest,
  terminal: Terminal,
  surroundings: Surroundings,
  caller: Caller,
): Promise<number> {
  const progress = await progressOf(request, terminal);
  const limit = withTimeout(caller.signal, request.timeout);
  const { signal } = limit;
  const hurry = new AbortController();
  const stopWaiting = (): void => {
    hurry.abort();
  };
  caller.hurry.addEventListener('abort', stopWaiting, { once: true });
  let outputs: RunOutputs | undefined;
  const heard = hearSignal(caller, (entry) => {
    // The terminal has echoed ^C.
    if (caller.interruptedBy() === 'SIGINT') progress.freshLine();
    progress.log(entry);
    outputs?.observer.log(entry);
  });
  caller.standing.stopProgress = progress.stop;
  try {
    // Loaded only now, because on a terminal something shows within 100 ms.
    const { wipe } = await import('../commands/wipe.ts');
    const { refuseOutputsOverInputs } = await import('../wipe/output-files.ts');
    refuseOutputsOverInputs(request, surroundings);
    const handover = request.background ? await handedOver(terminal) : undefined;
    const state = stateDirectory({
      flag: request.stateDirectory,
      env: surroundings.env,
      workingDirectory: surroundings.workingDirectory,
      home: surroundings.home,
    });
    outputs = await openOutputs(request, surroundings, state, handover, hurry.signal);
    const { standing } = caller;
    standing.abandon = outputs.abandon;
    const outcome = await wipe(request, {
      surroundings,
      observer: fanOut([progress, outputs.observer]),
      ask: terminal.stdinIsTTY
        ? async (plan) => askOn(terminal, request, plan, surroundings.host, progress, signal)
        : undefined,
      signal,
      standing,
      stateDirectory: state,
      handover,
      begin: outputs.begin,
      detach: outputs.detach,
    });
    progress.stop();
    heard.end();
    // From now on there is nothing left that could be interrupted, only waited for.
    signal.addEventListener('abort', stopWaiting, { once: true });
    if (outcome.is === 'detached') {
      const { detachedText } = await import('../report/detached-text.ts');
      const style = await styleFor(terminal, 'stdout', !request.color);
      terminal.stdout.write(detachedText(outcome, request, style));
      return EXIT_CODE.done;
    }
    return await tell(request, terminal, caller, outputs, outcome.report, outcome.plan);
  } catch (error) {
    progress.stop();
    if (error instanceof CannotStart) await tellOfNoStart(error, terminal, caller, outputs);
    else outputs?.abandon(EXIT_CODE.failed, 'Stopped by an internal error.');
    throw error;
  } finally {
    progress.stop();
    heard.end();
    limit.end();
  }
}

async function progressOf(request: WipeRequest, terminal: Terminal): Promise<ProgressView> {
  if (request.background) return silence();
  const { stderr, stderrIsTTY, env } = terminal;
  return makeProgress({
    stderr,
    stderrIsTTY,
    env,
    quiet: request.quiet,
    verbose: request.verbose,
    wantsLines: wantsLines(request),
    style: await styleFor(terminal, 'stderr', !request.color),
    line: lineFormat(request.outputs.logFormat, terminal.stderrIsJournal),
    title: titleOf(request),
  });
}

/** The report, wherever it is to go, in the order in which it may be waited for. */
async function tell(
  request: WipeRequest,
  terminal: Terminal,
  caller: Caller,
  outputs: RunOutputs,
  report: WipeReport,
  plan: Plan | undefined,
): Promise<number> {
  const { jsonText, reportJson } = await import('../report/json.ts');
  const code = report.status === 'interrupted' ? EXIT_CODE.failed : reportExitCode(report);
  const exitCode = caller.finalCode(code);
  const fileFormat = request.format === 'table' ? 'json' : request.format;
  const finishing = outputs.finish({
    report,
    exitCode,
    message: reportMessage(report),
    json: jsonText(reportJson(report)),
    text: async () => wipeOutput({ ...request, format: fileFormat }, report, plan, terminal),
  });
  // Whoever ends the process now has nothing more to tell.
  caller.standing.left = undefined;
  caller.standing.abandon = undefined;
  const warnings = await finishing;
  // A run in the background tells of itself in its history alone.
  if (!request.background) {
    const told = { ...report, warnings: [...report.warnings, ...warnings] };
    await print(request, told, plan, terminal, code, warnings);
  }
  const body = async (): Promise<string> =>
    wipeOutput(request, report, plan, plainTerminal(terminal));
  warn(terminal, await outputs.ping(exitCode, body));
  return code;
}

/** Whoever asks for JSON parses it, so that --quiet is for people. */
async function print(
  request: WipeRequest,
  report: WipeReport,
  plan: Plan | undefined,
  terminal: Terminal,
  code: number,
  warnings: readonly string[],
): Promise<void> {
  const isSilent =
    request.quiet && request.format !== 'json' && code === EXIT_CODE.done && !report.dryRun;
  if (isSilent) for (const text of warnings) warn(terminal, text);
  else terminal.stdout.write(await wipeOutput(request, report, plan, terminal));
}

async function tellOfNoStart(
  error: CannotStart,
  terminal: Terminal,
  caller: Caller,
  outputs: RunOutputs | undefined,
): Promise<void> {
  if (outputs === undefined) return;
  const { cannotStartJson, jsonText, stopStatus } = await import('../report/json.ts');
  const exitCode = caller.finalCode(error.exitCode);
  const status = stopStatus(error);
  const warnings = await outputs.finish({
    error,
    status,
    exitCode,
    json: jsonText(cannotStartJson(error)),
  });
  for (const text of warnings) warn(terminal, text);
  warn(terminal, await outputs.ping(exitCode, () => `${error.message}\n`));
}

function warn({ stderr, stderrIsJournal }: Terminal, text: string | undefined): void {
  if (text === undefined) return;
  const line = `media-cleanup: ${harmless(text)}\n`;
  stderr.write(stderrIsJournal ? journalLine('WARNING', line) : line);
}

/** Where the terminal does not tell its size. */
const FALLBACK_ROWS = 24;

async function askOn(
  terminal: Terminal,
  request: WipeRequest,
  plan: Plan,
  hostname: string,
  progress: ProgressView,
  signal: AbortSignal,
): Promise<boolean> {
  const [{ planScreen }, { confirmationWord }, { askTyped, wipeQuestion }] = await Promise.all([
    import('../report/plan-screen.ts'),
    import('../commands/targets.ts'),
    import('./prompt.ts'),
  ]);
  // The window may have got another size while everything was counted.
  const { rows, columns } = terminal.stderr as Partial<NodeJS.WriteStream>;
  const sized = { ...terminal, stderrColumns: columns ?? terminal.stderrColumns };
  const style = await styleFor(sized, 'stderr', !request.color);
  const expected = confirmationWord(request.targets);
  const question = wipeQuestion(expected, harmless(hostname, !style.unicode));
  progress.pause();
  const { services, roots, configFile } = plan;
  const run = { ...request, configFile, roots, host: hostname };
  const screen = { rows: rows || FALLBACK_ROWS, question };
  terminal.stderr.write(planScreen(services, run, screen, style));
  const confirmed = await askTyped({
    input: terminal.stdin,
    output: terminal.stderr,
    question,
    expected,
    signal,
  });
  if (confirmed) progress.resume();
  return confirmed;
}

async function handedOver(terminal: Terminal): Promise<Handover> {
  if (terminal.stdinIsTTY) {
    throw new CannotStart('usage', '--background is for --detach alone.');
  }
  const { readHandover } = await import('../runs/background.ts');
  return await readHandover(terminal.stdin);
}

/** Its own end, or the caller's: whichever comes first. */
function withTimeout(
  outer: AbortSignal,
  milliseconds: number | undefined,
): { readonly signal: AbortSignal; readonly end: () => void } {
  if (milliseconds === undefined) return { signal: outer, end: () => undefined };
  const inner = new AbortController();
  const follow = (): void => {
    inner.abort(outer.reason);
  };
  if (outer.aborted) follow();
  outer.addEventListener('abort', follow, { once: true });
  const endTimer = startLongTimer(milliseconds, () => {
    inner.abort(new CannotStart('timeout', timeoutMessage(milliseconds)));
  });
  return {
    signal: inner.signal,
    end: () => {
      endTimer();
      outer.removeEventListener('abort', follow);
    },
  };
}

function timeoutMessage(milliseconds: number): string {
  return `Stopped by --timeout ${durationText(milliseconds)}.`;
}

function plainTerminal(terminal: Terminal): Terminal {
  return { ...terminal, stdoutIsTTY: false, stdoutColumns: undefined, env: {} };
}

async function wipeOutput(
  request: WipeRequest,
  report: WipeReport,
  plan: Plan | undefined,
  terminal: Terminal,
): Promise<string> {
  if (request.format === 'markdown') {
    const { reportMarkdown } = await import('../report/markdown.ts');
    return reportMarkdown(report);
  }
  if (request.format === 'json') {
    const { jsonText, reportJson } = await import('../report/json.ts');
    return jsonText(reportJson(report));
  }
  const style = await styleFor(terminal, 'stdout', !request.color);
  if (report.dryRun && plan !== undefined) {
    const [{ planText }, { wrap }] = await Promise.all([
      import('../report/plan-text.ts'),
      import('../report/text.ts'),
    ]);
    const { services, configFile } = plan;
    const message = wrap(reportMessage(report), style.width, 2).join('\n');
    return `${planText(services, { ...request, configFile }, style)}\n${message}\n`;
  }
  const { reportText } = await import('../report/table.ts');
  return reportText(report, style);
}
