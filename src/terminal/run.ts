import { buildProgram } from '../cli.ts';
import type { DoctorRequest, Request, StatsRequest } from '../commands/request.ts';
import type { Standing, StopSignal } from '../commands/standing.ts';
import type { Surroundings } from '../commands/surroundings.ts';
import { EXIT_CODE } from '../errors.ts';
import type { ServiceCensus } from '../report/types.ts';
import { styleFor } from './terminal.ts';
import type { Terminal } from './terminal.ts';

/** What whoever starts a command is to it. */
export interface Caller {
  /** Aborted when it is to end. */
  readonly signal: AbortSignal;
  /** Undefined: no signal came. */
  readonly interruptedBy: () => StopSignal | undefined;
  readonly standing: Standing;
  /** The exit code in the end: a signal has its own. */
  readonly finalCode: (code: number) => number;
  /** A second Ctrl-C: nothing is waited for any more. */
  readonly hurry: AbortSignal;
}

/**
 * Runs a request against a terminal: stdout gets the report alone, everything else goes to stderr.
 * @returns the exit code; that of an interrupted wipe is left to the caller.
 * @throws CannotStart, or the signal's reason.
 */
export async function runRequest(
  request: Request,
  terminal: Terminal,
  surroundings: Surroundings,
  caller: Caller,
): Promise<number> {
  const { signal } = caller;
  switch (request.command) {
    case 'stats':
      return await runStats(request, terminal, surroundings, signal);
    case 'doctor':
      return await runDoctor(request, terminal, surroundings, signal);
    case 'wipe': {
      const { runWipe } = await import('./run-wipe.ts');
      return await runWipe(request, terminal, surroundings, caller);
    }
    case 'status': {
      const { runStatus } = await import('./run-status.ts');
      return await runStatus(request, terminal, surroundings, signal);
    }
    case 'logs': {
      const { runLogs } = await import('./run-logs.ts');
      return await runLogs(request, terminal, surroundings, signal);
    }
    case 'init': {
      const { runInit } = await import('./run-init.ts');
      return await runInit(request, terminal, surroundings, signal);
    }
    case 'completion': {
      const { SCRIPTS } = await import('../completion/scripts.ts');
      terminal.stdout.write(SCRIPTS[request.shell]);
      return EXIT_CODE.done;
    }
    case 'suggest': {
      const { answer } = await import('../completion/answer.ts');
      const program = buildProgram('', () => undefined);
      terminal.stdout.write(answer(request, program, surroundings));
      return EXIT_CODE.done;
    }
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
