import type { Request, WipeRequest } from '../commands/request.ts';

/** Whether progress is a spinner; elsewhere it is log lines, or with `--quiet` nothing. */
export function hasSpinner(
  how: {
    readonly quiet: boolean;
    readonly verbose: boolean;
    /** Log lines were asked for in a form, and for stderr, since no file is to get them. */
    readonly wantsLines?: boolean;
  },
  stderrIsTTY: boolean,
  term: string | undefined,
): boolean {
  return stderrIsTTY && term !== 'dumb' && !how.quiet && !how.verbose && !how.wantsLines;
}

/** Log lines in a form of their own that no file gets are meant for stderr. */
export function wantsLines({ outputs }: Pick<WipeRequest, 'outputs'>): boolean {
  return outputs.logFormat !== undefined && outputs.logFile === undefined;
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
  if (request.command !== 'wipe') return undefined;
  const how = { ...request, wantsLines: wantsLines(request) };
  if (request.background || !hasSpinner(how, stderrIsTTY, term)) return undefined;
  return `${titleOf(request)}\n`;
}
