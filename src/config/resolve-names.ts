/** Key prefixes and queue names, each for itself; how they fit together is in cross-check.ts. */
import type { BrokerSettings } from '../model/broker-settings.ts';
import { formatPath } from './json-path.ts';
import type { JsonPath } from './json-path.ts';
import type { ProblemCollector } from './problems.ts';
import { located } from './resolved.ts';
import type { Located } from './resolved.ts';
import type { CeleryDraft, ServiceDraft } from './schema.ts';

/** Key names of Celery and kombu: a queue called so would be taken for their own data. */
const NO_QUEUE = /^(?:unacked|_kombu|celery-task-meta-)/;

/** Characters that no key prefix or queue has by intention. */
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f]/;

export function resolvePrefixes(
  draft: ServiceDraft['keyPrefix'],
  path: JsonPath,
  problems: ProblemCollector,
): Located[] {
  return resolveKeyBeginnings(draft, path, 'every job key begins with', problems);
}

export function resolveForeignPrefixes(
  draft: ServiceDraft['foreignKeyPrefixes'],
  path: JsonPath,
  problems: ProblemCollector,
): Located[] {
  return resolveKeyBeginnings(draft, path, "the other program's keys begin with", problems);
}

function resolveKeyBeginnings(
  draft: ServiceDraft['keyPrefix'],
  path: JsonPath,
  beginning: string,
  problems: ProblemCollector,
): Located[] {
  if (draft === undefined) return [];
  const prefixes =
    typeof draft === 'string'
      ? [{ path, value: draft }].filter(() => !problems.isBroken(path))
      : located(draft, path, problems.isBroken);
  // An empty list of job prefixes says on purpose that there are no jobs.
  if (draft.length === 0 && Array.isArray(draft) && path.at(-1) !== 'keyPrefix') {
    problems.add(
      path,
      `must not be empty: give at least one prefix, or remove \`${path.at(-1) ?? ''}\``,
    );
  }
  for (const [index, prefix] of prefixes.entries()) {
    if (prefix.value.trim() === '') {
      problems.add(
        prefix.path,
        prefix.value === ''
          ? 'must not be empty: it would match every key of the database'
          : `must not be blank: give the text that ${beginning}`,
      );
    } else if (/^[*?]+$/.test(prefix.value)) {
      problems.add(
        prefix.path,
        `is no pattern but the literal beginning of a key: as a pattern it would match every key; give the text that ${beginning}`,
      );
    } else if (CONTROL.test(prefix.value)) {
      problems.add(prefix.path, 'holds a control character: remove it');
    }
    reportDuplicate(prefixes, index, problems);
  }
  return prefixes;
}

/** `indexKeys`: names or patterns of keys that list the jobs. */
export function resolveIndexKeys(
  draft: ServiceDraft['indexKeys'],
  path: JsonPath,
  problems: ProblemCollector,
): Located[] {
  if (draft === undefined) return [];
  if (Array.isArray(draft) && draft.length === 0) {
    problems.add(path, 'must not be empty: give at least one name, or remove `indexKeys`');
  }
  const names =
    typeof draft === 'string'
      ? [{ path, value: draft }].filter(() => !problems.isBroken(path))
      : located(draft, path, problems.isBroken);
  for (const [index, name] of names.entries()) {
    const problem = indexKeyProblem(name.value);
    if (problem !== undefined) problems.add(name.path, problem);
    reportDuplicate(names, index, problems);
  }
  return names.filter(({ value }) => indexKeyProblem(value) === undefined);
}

function indexKeyProblem(name: string): string | undefined {
  if (name.trim() === '') return 'must not be empty: give the name of a key that lists jobs';
  const literal = name.replaceAll(
    /\\([^])|\[[^\]]*\]?|[*?]/g,
    (_, escaped?: string) => escaped ?? '',
  );
  if (literal.trim() === '') {
    return 'would match every key: give the name of a key that lists jobs, or a pattern with some of its name';
  }
  if (CONTROL.test(name)) return 'holds a control character: remove it';
  return undefined;
}

export function resolveQueues(
  draft: CeleryDraft['queues'],
  path: JsonPath,
  problems: ProblemCollector,
): Located[] {
  if (draft?.length === 0) problems.add(path, 'must not be empty: list the queues of the service');
  const queues = located(draft, path, problems.isBroken);
  for (const [index, queue] of queues.entries()) {
    if (queue.value.trim() === '') {
      problems.add(queue.path, 'must not be empty: give the name of a queue');
    } else if (CONTROL.test(queue.value)) {
      problems.add(queue.path, 'holds a control character: remove it');
    } else if (NO_QUEUE.test(queue.value)) {
      problems.add(
        queue.path,
        'is a name of Celery itself, not of a queue: give the name of a queue',
      );
    }
    reportDuplicate(queues, index, problems);
  }
  return queues;
}

const OWN_NAMES = [
  ['separator', 'give the separator, or remove it'],
  ['unackedKey', "give the hash's name, or remove it"],
  ['unackedIndexKey', "give the sorted set's name, or remove it"],
  ['controlExchange', "give the exchange's name, or remove it"],
] as const;

/** What an app sets otherwise than Celery does. */
export function resolveBrokerSettings(
  draft: CeleryDraft,
  path: JsonPath,
  problems: ProblemCollector,
): BrokerSettings {
  const { separator, unackedKey, unackedIndexKey, fanoutPrefix, controlExchange } = draft;
  const { resultKeyPrefix } = draft;
  for (const [name, remedy] of OWN_NAMES) {
    if (draft[name] === '') problems.add([...path, name], `must not be empty: ${remedy}`);
  }
  if (fanoutPrefix === '') {
    problems.add([...path, 'fanoutPrefix'], 'must not be empty: for no prefix write false');
  }
  if (unackedKey !== undefined && unackedKey === (unackedIndexKey ?? 'unacked_index')) {
    problems.add(
      [...path, 'unackedKey'],
      'is the name of the index too: give the name of the hash',
    );
  }
  return {
    globalKeyPrefix: draft.globalKeyPrefix ?? '',
    ...{ resultKeyPrefix, separator, unackedKey, unackedIndexKey, fanoutPrefix, controlExchange },
  };
}

function reportDuplicate(
  entries: readonly Located[],
  index: number,
  problems: ProblemCollector,
): void {
  const entry = entries[index];
  const first = entries.findIndex((other) => other.value === entry?.value);
  const earlier = entries[first];
  if (entry === undefined || earlier === undefined || first === index) return;
  problems.add(entry.path, `is the same as ${formatPath(earlier.path)}: remove one of the two`);
}
