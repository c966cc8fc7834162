import { CannotStart } from '../errors.ts';
import { systemReason } from '../report/system-reason.ts';

/** Warnings of a run as a whole. */

/** @param locks why there is no lock on this host. @param history the code of what is not kept. */
export function keepingWarnings(
  locks: string | undefined,
  history: string | undefined,
  stateDirectory: string,
): readonly string[] {
  const remedy = 'name another place with --state-dir';
  return [
    ...(locks === undefined
      ? []
      : [`Another run on this host would not be kept away: ${locks}; ${remedy}`]),
    // One reason for both is told once.
    ...(history === undefined || locks !== undefined
      ? []
      : [notKeptWarning(history, stateDirectory)]),
  ];
}

/** Of `status` and `logs` alone: the wipe is done. */
export function notKeptWarning(code: string, stateDirectory: string): string {
  return `This run is not kept for status and logs: ${systemReason(code)} (${stateDirectory}); name another place with --state-dir`;
}

/** @param services or `this host`, whose lock is somebody else's by now. */
export function lostWarnings(services: readonly string[]): readonly string[] {
  return services.map(
    (name) =>
      `The lock of ${name} was lost to another run meanwhile: both may have removed at the same time; run again`,
  );
}

/** What stopped the run, when that was nobody at the keyboard. */
export function stoppedWarnings(signal: AbortSignal): readonly string[] {
  const { reason } = signal as { readonly reason: unknown };
  if (!signal.aborted || !(reason instanceof CannotStart) || reason.stop !== 'timeout') return [];
  return [`${reason.message} Run it again to remove the rest.`];
}
