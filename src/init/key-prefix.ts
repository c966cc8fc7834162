/** `keyPrefix` of a service: what Redis holds, else what its files say, else the shipped example's. */
import { knownOf } from './group-services.ts';
import type { Group, Part } from './group-services.ts';
import type { KnownService } from './known-services.ts';
import type { Origin } from './origin.ts';
import type { Source } from './proposal.ts';
import type { RedisAnswer } from './redis-answer.ts';

export interface Prefix {
  readonly value: string | readonly string[];
  readonly source: Source;
}

const PREFIX_VARIABLE = /^(?:.*_)?(?:KEY|JOB|REDIS)_PREFIX$/;
/** A name that says that the prefix is that of jobs, and a value that ends where the id begins. */
const JOB_PREFIX_VARIABLE = /^(?:.*_)?JOBS?_(?:KEY_)?PREFIX$/;
const PREFIX = /^[A-Za-z0-9][\w.:/|-]*[:/|._-]$/;

/** Prefixes of which it is asked whether keys begin with them. */
export function namedPrefixes(group: Group): readonly string[] {
  const told = toldPrefix(group)?.text;
  const known = knownOf(group)?.keyPrefix;
  return [told, known].flatMap((prefix) => prefix ?? []);
}

/** Undefined: nothing says for certain what the job keys begin with. */
export function prefixFor(
  group: Group,
  answer: RedisAnswer | undefined,
  label: string,
  note: (message: string) => void,
): Prefix | undefined {
  const known = knownOf(group);
  const told = toldPrefix(group);
  if (answer !== undefined && answer.prefixes.length > 0) {
    return heldPrefix(answer, label, told, known, note);
  }
  if (told !== undefined) {
    const { text, variable, part } = told;
    const others = candidates(answer, label, text);
    if (others !== undefined) note(`keyPrefix "${text}" is that of ${variable}; ${others}`);
    const from = sourceOf(JSON.stringify(text), variable, part.container.originOf(variable));
    return { value: text, source: from };
  }
  if (known !== undefined) return examplePrefix(known, answer, label, note);
  const [maybe] = variablesOfPrefixes(group);
  const hint = maybe === undefined ? '' : `, and ${maybe.variable} may say it`;
  const others = candidates(answer, label, undefined);
  note(
    `\`keyPrefix\` must be filled in: no file tells what the job keys begin with; media-cleanup doctor names the prefixes that the database holds, and "keyPrefix": [] says that there are no jobs in Redis${hint}${others === undefined ? '' : `; ${others}`}`,
  );
  return undefined;
}

/** By strong evidence. */
function heldPrefix(
  { prefixes }: RedisAnswer,
  label: string,
  told: PrefixVariable | undefined,
  known: KnownService | undefined,
  note: (message: string) => void,
): Prefix {
  const values = prefixes.map(({ prefix }) => prefix);
  const value = values.length === 1 ? (values[0] ?? '') : values;
  const evidence = prefixes.map(
    (one) => `${one.count} keys "${one.prefix}*" in Redis ${label}: ${one.evidence.join(', ')}`,
  );
  const shown = JSON.stringify(value);
  const held = `keyPrefix ${shown} is that of the job keys in Redis ${label}`;
  if (told !== undefined && !values.includes(told.text)) {
    note(`${held}; ${told.variable} says "${told.text}"`);
  } else if (told === undefined && known !== undefined && !values.includes(known.keyPrefix)) {
    note(`${held}; the shipped example has "${known.keyPrefix}"`);
  }
  return { value, source: sourceOf(shown, evidence.join('; ')) };
}

/** Left out where the database holds jobs of another prefix and none of the example's. */
function examplePrefix(
  { keyPrefix }: KnownService,
  answer: RedisAnswer | undefined,
  label: string,
  note: (message: string) => void,
): Prefix | undefined {
  const others = candidates(answer, label, keyPrefix);
  if (others !== undefined && answer?.unused.includes(keyPrefix) === true) {
    note(
      `\`keyPrefix\` must be filled in: no key in Redis ${label} begins with "${keyPrefix}" of the shipped example; ${others}`,
    );
    return undefined;
  }
  note(
    `keyPrefix "${keyPrefix}" is that of the shipped example; ${others ?? 'media-cleanup doctor says whether the job keys in the database begin with another prefix'}`,
  );
  return { value: keyPrefix, source: sourceOf(JSON.stringify(keyPrefix), 'the shipped example') };
}

/** Prefixes that may be the service's, other than `prefix`; undefined: there are none. */
function candidates(
  answer: RedisAnswer | undefined,
  label: string,
  prefix: string | undefined,
): string | undefined {
  const others = (answer?.doubtful ?? []).filter(
    (one) => prefix === undefined || !one.prefix.startsWith(prefix),
  );
  if (others.length === 0) return undefined;
  const texts = others.map(
    (one) => `"${one.prefix}*" (${one.count} keys, ${one.evidence.join(', ')})`,
  );
  return `Redis ${label} holds ${texts.join(' and ')}: is it that?`;
}

interface PrefixVariable {
  readonly variable: string;
  readonly text: string;
  readonly part: Part;
}

function toldPrefix(group: Group): PrefixVariable | undefined {
  return variablesOfPrefixes(group).find(
    ({ variable, text }) => JOB_PREFIX_VARIABLE.test(variable) && PREFIX.test(text),
  );
}

function variablesOfPrefixes(group: Group): readonly PrefixVariable[] {
  return group.flatMap((part) =>
    [...part.variables].flatMap(([variable, { text }]) =>
      PREFIX_VARIABLE.test(variable) ? [{ variable, text: text.trim(), part }] : [],
    ),
  );
}

function sourceOf(value: string, how: string, origin?: Origin): Source {
  return {
    ...{ setting: 'keyPrefix', value, how },
    ...(origin ?? { file: undefined, line: undefined }),
  };
}
