import { constants } from 'node:os';

/** A problem in something the operator wrote: where it is, and what to change. */
export interface Problem {
  /** JSON path, file path or flag, e.g. `services.audio-transcriber.redis`. */
  readonly path: string;
  readonly message: string;
}

/** Why a run could not start; each maps to one exit code of the contract. */
export type StopReason =
  'usage' | 'config' | 'refused' | 'declined' | 'locked' | 'interrupted' | 'timeout';

export const EXIT_CODE = {
  done: 0,
  failed: 1,
  usage: 2,
  config: 2,
  refused: 3,
  declined: 4,
  locked: 75,
  interrupted: 130,
  timeout: 1,
  SIGHUP: 129,
  SIGINT: 130,
  SIGTERM: 143,
} as const;

/** A URL where a service or a file should be is repeated, and may hold one. */
function withoutPassword(text: string): string {
  return text.replace(/(\w:\/\/)[^\s/]*@/g, '$1***@');
}

/**
 * A run that did not start: nothing has been touched. Anything thrown that is not a `CannotStart`
 * is a bug and keeps its stack.
 */
export class CannotStart extends Error {
  override readonly name = 'CannotStart';
  readonly stop: StopReason;
  readonly problems: readonly Problem[];

  constructor(
    stop: StopReason,
    message: string,
    problems: readonly Problem[] = [],
    cause?: unknown,
  ) {
    super(withoutPassword(message), cause === undefined ? undefined : { cause });
    this.stop = stop;
    this.problems = problems.map((problem) => ({
      path: withoutPassword(problem.path),
      message: withoutPassword(problem.message),
    }));
  }

  get exitCode(): number {
    return EXIT_CODE[this.stop];
  }
}

/** The `code` of a caught system error (`ENOENT`, `EACCES` …), or undefined when it has none. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  if (typeof error.code !== 'string') return undefined;
  // libuv has no name for some (ESTALE, EDQUOT); Node has their numbers.
  const [, number] = /^Unknown system error -(\d+)$/.exec(error.code) ?? [];
  return number === undefined ? error.code : (nameOf(Number(number)) ?? error.code);
}

function nameOf(number: number): string | undefined {
  return Object.entries(constants.errno).find(([, value]) => value === number)?.[0];
}

/** The `code` of a system error; anything without one is a bug and is thrown again. */
export function systemCode(error: unknown): string {
  const code = errorCode(error);
  if (code === undefined) throw error;
  return code;
}

export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
