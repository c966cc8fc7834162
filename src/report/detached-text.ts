import { jsonText } from './json.ts';
import type { Style } from './style.ts';
import { readable, wrap } from './text.ts';
import { isTotal } from './totals.ts';
import type { Kind } from './types.ts';

/** What `--detach` prints when the run has begun in the background. */

/** @param request its format is JSON or anything for people. */
export function detachedText(
  run: {
    readonly cleanupId: string;
    readonly services: readonly string[];
    readonly isKept: boolean;
  },
  request: { readonly kinds: readonly Kind[]; readonly format: string },
  style: Style,
): string {
  const { cleanupId, services } = run;
  const what = isTotal(request.kinds) ? 'EVERYTHING' : request.kinds.join(', ');
  const name = isTotal(request.kinds) ? 'TOTAL WIPE' : 'WIPE';
  const document = {
    version: 1,
    message: `🔥 ${name} STARTED in the background`,
    cleanup_id: cleanupId,
    status: 'processing',
    warning: `${what} of ${services.join(', ')} is being removed. There is no way back.`,
    note: !run.isKept
      ? 'This run is not kept, so that status and logs cannot tell of it.'
      : `How far it is: media-cleanup status ${cleanupId} (--wait: until it has ended); its log: media-cleanup logs ${cleanupId} --follow`,
  };
  if (request.format === 'json') return jsonText(document);
  const { message, status, warning, note } = document;
  const facts = { cleanup_id: cleanupId, status, warning, note };
  const lines = Object.entries(facts).flatMap(([fact, value]) =>
    wrap(`  ${fact.padEnd(10)}  ${value}`, style.width, 14),
  );
  const title = style.width === Infinity ? message : readable(message, style);
  return `${[title, ...lines].join('\n')}\n`;
}
