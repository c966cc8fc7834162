import { findReplyLists } from '../celery/reply-lists.ts';
import type { ReplyLists } from '../celery/reply-lists.ts';
import { onLink, silently } from '../commands/links.ts';
import { canHaveWorkers } from '../commands/look-at-workers.ts';
import type { OpenService } from '../commands/open-services.ts';
import { serviceKeys } from '../commands/service-keys.ts';
import { logRemoved } from '../commands/step-log.ts';
import type { StepContext } from '../commands/step.ts';
import type { Check } from '../report/diagnosis.ts';
import { counted } from '../report/text.ts';
import type { SeenDatabases } from '../resources/seen-keys.ts';
import type { Failure } from '../report/types.ts';

const STEP = { target: 'Celery', name: 'reply lists' } as const;

async function lookFor(
  service: OpenService,
  report: (failure: Failure) => void,
  signal: AbortSignal,
  seen?: SeenDatabases,
): Promise<ReplyLists | undefined> {
  const { broker: link } = service;
  if (!canHaveWorkers(link)) return undefined;
  const names = serviceKeys(service).broker;
  return await onLink(link, STEP, report, async (broker) =>
    findReplyLists(broker, names, signal, seen?.broker.replyLists),
  );
}

/** `results: "all"`: also the lists of replies of clients that are gone. @throws the signal's reason. */
export async function wipeReplyLists(step: StepContext): Promise<void> {
  const { service, keys, tally, signal } = step;
  if (keys.results !== 'all' || tally.pass > 1) return;
  const lists = await lookFor(service, step.report, signal, step.seen);
  if (lists === undefined) return;
  const all = [...lists.results, ...lists.control];
  const removed =
    (await onLink(service.broker, STEP, step.report, async (broker) => broker.unlink(all))) ?? 0;
  if (removed > 0) {
    const message = `Celery: ${counted(removed, 'reply list')} of clients that are gone removed`;
    logRemoved(step, 'replies', message, { reply_lists: removed });
  }
  if (lists.recent > 0) step.warn(recentText(lists.recent), 'note');
}

function recentText(count: number): string {
  return `Celery: ${counted(count, 'reply list')} of clients (rpc:// results, remote control) left: touched within the last hour, or at a time that Redis does not tell`;
}

/** What `doctor` says of them. @throws the signal's reason. */
export async function replyListChecks(
  service: OpenService,
  seen: SeenDatabases,
  signal: AbortSignal,
): Promise<readonly Check[]> {
  const lists = await lookFor(service, silently, signal, seen);
  if (lists === undefined || lists.results.length + lists.control.length === 0) return [];
  const { results, control } = lists;
  const parts = [
    ...(results.length === 0 ? [] : [`${counted(results.length, 'list')} of rpc:// results`]),
    ...(control.length === 0 ? [] : [`${counted(control.length, 'reply list')} of remote control`]),
  ];
  const all = `services.${service.config.name}.celery: "results": "all" removes them with a wipe`;
  return [
    {
      name: 'replies',
      status: 'warning',
      message: `${parts.join(' and ')} that no client has touched for an hour`,
      hint: results.length === 0 ? 'media-cleanup doctor --fix' : all,
    },
  ];
}

/** `doctor --fix`: those of remote control, which nobody can want. @throws the signal's reason. */
export async function removeControlReplies(
  service: OpenService,
  signal: AbortSignal,
): Promise<void> {
  const lists = await lookFor(service, silently, signal);
  if (lists === undefined || lists.control.length === 0) return;
  await onLink(service.broker, STEP, silently, async (broker) => broker.unlink(lists.control));
}
