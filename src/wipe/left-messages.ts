import type { SharedTask } from '../celery/cancel.ts';
import { UNKNOWN_QUEUE } from '../celery/keys.ts';
import { countQueued } from '../celery/queue.ts';
import type { DoubtfulList } from '../celery/queue.ts';
import type { Shared } from '../celery/scope.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { printable } from '../report/printable.ts';
import { counted } from '../report/text.ts';
import type { Failure } from '../report/types.ts';
import type { OpenService } from '../commands/open-services.ts';
import { hasSameBroker } from '../commands/service-keys.ts';

/** Messages and tasks of a service's queues that a run may not remove, as failures of a wipe. */

/** In-flight messages that go back to queues outside the run as well. */
export function sharedMessageFailures(
  service: OpenService,
  label: string,
  shared: readonly Shared[],
): readonly Failure[] {
  return grouped(shared).map((group) => {
    const [{ exchange, others }] = group;
    return {
      target: 'Celery',
      item: `${label} (exchange ${exchange})`,
      code: 'ESHARED',
      reason: `${counted(group.length, 'in-flight message')} of it ${group.length === 1 ? 'goes' : 'go'} back to ${queuesText(service, others)} as well: left`,
      hint: togetherHint(service, others),
    };
  });
}

/** Tasks of one worker that were published to queues outside the run as well. */
export function sharedTaskFailures(
  service: OpenService,
  worker: string,
  tasks: readonly SharedTask[],
): readonly Failure[] {
  return grouped(tasks).map((group) => {
    const [{ exchange, others }] = group;
    const ids = group.slice(0, 5).map(({ id }) => id);
    const more = group.length > ids.length ? ` and ${group.length - ids.length} more` : '';
    return {
      target: 'Celery',
      item: `worker ${worker} (exchange ${exchange})`,
      code: 'ESHARED',
      reason: `Has ${counted(group.length, 'task')} (${ids.join(', ')}${more}) of that exchange, which goes to ${queuesText(service, others)} as well: not cancelled`,
      hint: togetherHint(service, others),
    };
  });
}

function grouped<T extends Shared>(all: readonly T[]): readonly (readonly [T, ...T[]])[] {
  const groups = new Map<string, [T, ...T[]]>();
  for (const one of all) {
    const key = JSON.stringify([one.exchange, one.others]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [one]);
    else group.push(one);
  }
  return [...groups.values()];
}

/** `the queue audio_queue of audio-transcriber` */
function queuesText(service: OpenService, queues: readonly string[]): string {
  const named = queues.map((queue) => {
    if (queue === UNKNOWN_QUEUE)
      return "queues that cannot be told, by a pattern that is not kombu's,";
    const owner = ownerOf(service, queue);
    return `the queue ${queue}${owner === undefined ? '' : ` of ${owner}`}`;
  });
  return named.join(' and ');
}

function togetherHint(service: OpenService, queues: readonly string[]): string {
  if (queues.includes(UNKNOWN_QUEUE)) {
    return 'restart the workers that declared its bindings, or remove the strange one with redis-cli, and run again';
  }
  const unnamed = queues.filter((queue) => ownerOf(service, queue) === undefined);
  if (unnamed.length > 0) {
    return `no service of the config names ${unnamed.join(', ')}: add it to the queues of the service that it belongs to, and wipe both together`;
  }
  const targets = service.targets.map(({ name }) => name);
  const owners = queues.map((queue) => ownerOf(service, queue)).filter((one) => one !== undefined);
  return `wipe both together: media-cleanup ${[...new Set([...targets, ...owners])].join(' ')}`;
}

function ownerOf({ config, all }: OpenService, queue: string): string | undefined {
  return all.find(
    (other) => hasSameBroker(config, other) && other.celery?.queues.includes(queue) === true,
  )?.name;
}

/** What the lists of a service's queues hold that a run leaves, since they may be another program's. */
export async function doubtfulLists(
  service: OpenService,
  broker: RedisConnection,
  lists: readonly DoubtfulList[],
): Promise<{ readonly messages: number; readonly failures: readonly Failure[] }> {
  const foreign = service.config.foreignKeyPrefixes;
  const unknown = lists.filter(
    ({ key }) => !foreign.some((prefix) => key.toString().startsWith(prefix)),
  );
  const failures: Failure[] = [];
  let messages = 0;
  for (const { key, queue, exchange } of unknown) {
    const length = await countQueued(broker, [key]);
    messages += length;
    const name = printable(key);
    failures.push({
      target: 'Celery',
      item: `${broker.label} (${name})`,
      code: 'EQUEUELIST',
      reason: `Looks like a list of priorities of the queue ${queue}, and ${
        exchange === undefined
          ? `its ${counted(length, 'message')} ${length === 1 ? 'is' : 'are'} too large to be read`
          : `nothing is bound to the exchange ${exchange} of its ${counted(length, 'message')}`
      }: left`,
      hint: `${exchange === undefined ? `remove the list if it is one of ${queue}` : `start the workers of ${queue}, which declare the exchange, and run again`}; if it is another program's: "foreignKeyPrefixes": ${JSON.stringify([name])}`,
    });
  }
  return { messages, failures };
}

/** Removed messages of a list or of `unacked` whose ids could not be read. */
export function hiddenIdsFailure(
  { config }: OpenService,
  label: string,
  where: Buffer,
  count: number,
): Failure {
  const all = `services.${config.name}.celery: "results": "all"`;
  return {
    target: 'Celery',
    item: `${label} (${printable(where)}: task ids)`,
    code: 'ETASKIDS',
    reason: `The ids of ${counted(count, 'removed message')} are not known (too large, or in a body that is no JSON): results of their tasks, groups and chords may be left`,
    hint: `${all} removes every result of the database with the jobs; groups and chords: redis-cli --scan --pattern '*celery-taskset-meta-*' and '*chord-unlock-*'`,
  };
}

/** Entries of `unacked` that are too large to be read: they may go back to one of the queues. */
export function unreadFailure(label: string, unacked: Buffer, count: number): Failure {
  return {
    target: 'Celery',
    item: `${label} (${printable(unacked)}: unread)`,
    code: 'EUNREAD',
    reason: `${counted(count, 'in-flight message')} ${count === 1 ? 'is' : 'are'} too large to be read, so that ${count === 1 ? 'its queue is' : 'their queues are'} not known: left`,
    hint: `look at large entries with redis-cli HSTRLEN ${printable(unacked)} <delivery tag>, HDEL those of this service, and run again`,
  };
}

/** Removed messages that are none of Celery; results are stored by ids, and these name none. */
export function strangeMessagesWarning(label: string, where: Buffer, count: number): string {
  return `Celery ${label}: ${counted(count, 'message')} of ${printable(where)} ${count === 1 ? 'is no task of Celery, and names' : 'are no tasks of Celery, and name'} no id: removed; look at what writes there`;
}

/** For plan and stats, where nothing has failed. */
export function leftWarning({ item, reason, hint }: Failure): string {
  return `Celery: ${item}: ${reason}; ${hint}`;
}
