import type { Request } from '../commands/request.ts';

/** Whether progress is a spinner; elsewhere it is log lines, or with `--quiet` nothing. */
export function hasSpinner(
  how: { readonly quiet: boolean; readonly verbose: boolean },
  stderrIsTTY: boolean,
  term: string | undefined,
): boolean {
  return stderrIsTTY && term !== 'dumb' && !how.quiet && !how.verbose;
}

/** What the spinner says before there is anything to tell. */
export function titleOf(request: { readonly dryRun: boolean }): string {
  return `media-cleanup: ${request.dryRun ? 'looking' : 'getting ready'}`;
}

/**
 * Said at once on a terminal, before what the command needs is loaded, so that something shows
 * within 100 ms. Loads nothing itself. Undefined where there is no spinner.
 */
export function firstLine(
  request: Request,
  stderrIsTTY: boolean,
  term: string | undefined,
): string | undefined {
  if (request.command !== 'wipe' || !hasSpinner(request, stderrIsTTY, term)) return undefined;
  return `${titleOf(request)}\n`;
}
