import type { Finding } from '../model/finding.ts';
import type { Failure } from './types.ts';

/** A problem as the report's errors have it. */
export function findingFailure({ target, item, code, reason, hint }: Finding): Failure {
  return { target, item, code, reason, hint };
}

/** A warning or a note in one sentence. */
export function findingText({ target, item, reason, hint }: Finding): string {
  return `${target} ${item}: ${reason}${hint === '' ? '' : `; ${hint}`}`;
}
