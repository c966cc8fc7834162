import type { DoctorRequest, Request, StatsRequest, WipeRequest } from '../commands/request.ts';
import type { Surroundings } from '../commands/surroundings.ts';
import type { Holds, Plan } from '../commands/wipe.ts';
import { EXIT_CODE } from '../errors.ts';
import { reportExitCode, reportMessage } from '../report/totals.ts';
import type { ServiceCensus, WipeReport } from '../report/types.ts';
import { titleOf } from './first-line.ts';
import { makeProgress } from './progress.ts';
import { styleFor } from './terminal.ts';
import type { Terminal } from './terminal.ts';

/**
 * Runs a request against a terminal: stdout gets the report alone, everything else goes to stderr.
 * @returns the exit code; that of an interrupted wipe is left to the caller.
 * @throws CannotStart, or the signal's reason.
 */
export async function runRequest(
  request: Request,
  terminal: Terminal,
  surroundings: Surroundings,
  signal: AbortSignal,
  holds: Holds,
): Promise<number> {
  switch (request.command) {
    case 'stats':
      return await runStats(request, terminal, surroundings, signal);
    case 'doctor':
      return await runDoctor(request, terminal, surroundings, signal);
    case 'wipe':
      return await runWipe(request, terminal, surroundings, signal, holds);
  }
}

async function runDoctor(
  request: DoctorRequest,
  terminal: Terminal,
  surroundings: Surroundings,
  signal: AbortSignal,
): Promise<number> {
  const { doctor } = await import('../commands/doctor.ts');
  const diagnosis = await doctor(request, surroundings, signal);
  if (request.format === 'json') {
    const { diagnosisJson, jsonText } = await import('../report/json.ts');
    terminal.stdout.write(jsonText(diagnosisJson(diagnosis)));
  } else {
    const { diagnosisText } = await import('../report/diagnosis-text.ts');
    const style = await styleFor(terminal, 'stdout', !request.color);
    terminal.stdout.write(diagnosisText(diagnosis, style));
  }
  return diagnosis.status === 'problem' ? EXIT_CODE.failed : EXIT_CODE.done;
}

async function runStats(
  request: StatsRequest,
  terminal: Terminal,
  surroundings: Surroundings,
  signal: AbortSignal,
): Promise<number> {
  const { stats } = await import('../commands/stats.ts');
  const census = await stats(request, surroundings, signal);
  terminal.stdout.write(await statsOutput(request, census, terminal));
  return census.every((service) => service.failures.total === 0)
    ? EXIT_CODE.done
    : EXIT_CODE.failed;
}

async function runWipe(
  request: WipeRequest,
  terminal: Terminal,
  surroundings: Surroundings,
  signal: AbortSignal,
  holds: Holds,
): Promise<number> {
  const errorStyle = await styleFor(terminal, 'stderr', !request.color);
  const progress = makeProgress({
    stderr: terminal.stderr,
    stderrIsTTY: terminal.stderrIsTTY,
    env: terminal.env,
    quiet: request.quiet,
    verbose: request.verbose,
    style: errorStyle,
    title: titleOf(request),
  });
  const ask = async (plan: Plan): Promise<boolean> => {
    const [{ planText }, { confirmationWord }, { askTyped, wipeQuestion }] = await Promise.all([
      import('../report/plan-text.ts'),
      import('../commands/targets.ts'),
      import('./prompt.ts'),
    ]);
    progress.pause();
    terminal.stderr.write(
      `${planText(plan.services, { ...request, configFile: plan.configFile }, errorStyle)}\n`,
    );
    const expected = confirmationWord(request.targets);
    const confirmed = await askTyped({
      input: terminal.stdin,
      output: terminal.stderr,
      question: wipeQuestion(expected),
      expected,
      signal,
    });
    if (confirmed) progress.resume();
    return confirmed;
  };
  try {
    // Loaded only now, because on a terminal something shows within 100 ms.
    const { wipe } = await import('../commands/wipe.ts');
    const { report, plan } = await wipe(request, {
      surroundings,
      observer: progress,
      ask: terminal.stdinIsTTY ? ask : undefined,
      signal,
      holds,
    });
    progress.stop();
    const code = report.status === 'interrupted' ? EXIT_CODE.failed : reportExitCode(report);
    // Whoever asks for JSON parses it.
    const silent =
      request.quiet && request.format !== 'json' && code === EXIT_CODE.done && !report.dryRun;
    if (!silent) terminal.stdout.write(await wipeOutput(request, report, plan, terminal));
    return code;
  } finally {
    progress.stop();
  }
}

async function statsOutput(
  request: StatsRequest,
  census: readonly ServiceCensus[],
  terminal: Terminal,
): Promise<string> {
  if (request.format === 'json') {
    const { jsonText, statsJson } = await import('../report/json.ts');
    return jsonText(statsJson(census));
  }
  const { statsText } = await import('../report/stats-text.ts');
  return statsText(census, await styleFor(terminal, 'stdout', !request.color));
}

async function wipeOutput(
  request: WipeRequest,
  report: WipeReport,
  plan: Plan | undefined,
  terminal: Terminal,
): Promise<string> {
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
