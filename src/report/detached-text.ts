import { jsonText } from './json.ts';
import { isTotal } from './totals.ts';
import type { Kind } from './types.ts';

/** What `--detach` prints when the run has begun in the background. */

/** @param request its format is JSON or anything for people. */
export function detachedText(
  run: { readonly cleanupId: string; readonly services: readonly string[] },
  request: { readonly kinds: readonly Kind[]; readonly format: string },
): string {
  const { cleanupId, services } = run;
  const what = isTotal(request.kinds) ? 'EVERYTHING' : request.kinds.join(', ');
  const title = isTotal(request.kinds) ? 'TOTAL WIPE' : 'WIPE';
  const document = {
    version: 1,
    message: `🔥 ${title} STARTED in the background`,
    cleanup_id: cleanupId,
    status: 'processing',
    warning: `${what} of ${services.join(', ')} is being removed. There is no way back.`,
    note: `How far it is: media-cleanup status ${cleanupId} (--wait: until it has ended); its log: media-cleanup logs ${cleanupId} --follow`,
  };
  if (request.format === 'json') return jsonText(document);
  const { message, status, warning, note } = document;
  return `${message}\n  cleanup_id  ${cleanupId}\n  status      ${status}\n  warning     ${warning}\n  note        ${note}\n`;
}
