/** What a survey of a service's keys means for the operator, in sentences with the line to change. */
import type { ServiceConfig } from '../config/types.ts';
import type { Finding } from '../model/finding.ts';
import { addressLabel, targetLabel } from '../redis/target.ts';
import type { RedisTarget } from '../redis/target.ts';
import { counted, grouped } from '../report/text.ts';
import type { Judgement } from './judge-families.ts';
import { familiesText, familyName } from './key-families.ts';
import type { KnownFamily } from './key-families.ts';
import type { OtherResults, OtherDatabase, OtherDatabases } from './other-databases.ts';
import { databaseText } from './other-databases.ts';
import type { PrefixPart } from './prefix-parts.ts';
import { indexKeyOf } from './related-keys.ts';
import type { RelatedFamily } from './related-keys.ts';

/**
 * A `redis` without `keyPrefix`: nobody knows which keys are jobs.
 * @param judgement undefined: the database could not be looked at.
 */
export function unnamedJobs(
  config: ServiceConfig,
  label: string,
  judgement: Judgement | undefined,
): Finding {
  const { name } = config;
  const families = judgement?.families ?? [];
  const ours = families.filter(({ claimants }) => claimants.includes(name));
  const prefixes = ours.map(({ prefix }) => prefix);
  const likely = families.filter(
    ({ evidence, whose }) => evidence.length > 0 && whose === undefined,
  );
  const alike =
    ours.length > 0
      ? ''
      : likely.map((one) => `; "${one.prefix}*" may be jobs (${one.evidence.join(', ')})`).join('');
  const value = prefixes.length === 0 ? '"<what its job keys begin with>"' : jsonValue(prefixes);
  const holds =
    judgement === undefined
      ? 'the database could not be looked at'
      : judgement.keys === 0
        ? 'the database is empty now'
        : `the database holds ${familiesText(judgement)}${alike}`;
  return {
    code: 'ENOPREFIX',
    severity: 'problem',
    target: 'Redis',
    item: `${label} (jobs)`,
    reason: `"keyPrefix" is not configured, so no jobs were looked for; ${holds}`,
    hint: `in the config, services.${name}: "keyPrefix": ${value}; if it has no jobs in Redis: "keyPrefix": []`,
  };
}

/** Keys that look like the service's jobs, and that its prefix does not match. */
export function missedJobs(
  config: ServiceConfig,
  label: string,
  missed: readonly KnownFamily[],
  matched: number,
): Finding {
  const found = missed
    .map(
      ({ prefix, count, evidence }) =>
        `${grouped(count)} keys "${prefix}*" (${evidence.join(', ')})`,
    )
    .join(' and ');
  const begin = matched === 0 ? 'No key begins' : `Only ${grouped(matched)} keys began`;
  const shared = [...new Set(missed.flatMap(({ claimants }) => claimants))];
  const whose =
    shared.length > 1
      ? `jobs of this service or of ${others(shared, config.name)}`
      : 'jobs of this service';
  return {
    code: 'EPREFIX',
    severity: 'problem',
    target: 'Redis',
    item: `${label} (jobs)`,
    reason: `${begin} with ${wanted(config)}, and ${found} look like ${whose}: left alone`,
    hint: missedHint(config, missed, matched),
  };
}

function others(names: readonly string[], own: string): string {
  return names.filter((name) => name !== own).join(', ');
}

function missedHint(
  { name, keyPrefixes }: ServiceConfig,
  missed: readonly KnownFamily[],
  matched: number,
): string {
  const right = [...(matched === 0 ? [] : keyPrefixes), ...missed.map(({ prefix }) => prefix)];
  const foreign = JSON.stringify(missed.map(({ prefix }) => prefix));
  const isMixed = missed.some(({ evidence }) =>
    evidence.some((words) => words.endsWith('looked at')),
  );
  const care = isMixed ? ' (look first: not all of these keys look like jobs)' : '';
  return `in the config, services.${name}: "keyPrefix": ${jsonValue(right)}${care}; if they are another program's: "foreignKeyPrefixes": ${foreign}`;
}

/** Without user and password: those stay as the config has them. */
function urlText(target: RedisTarget): string {
  if (target.kind !== 'server') return targetLabel(target);
  const { address, db, tls } = target;
  if ('path' in address) return `unix://${address.path}?db=${db}`;
  return `${tls === undefined ? 'redis' : 'rediss'}://${addressLabel(address)}/${db}`;
}

function access({ credentials }: RedisTarget): string {
  return credentials === undefined ? '' : ', with user and password as before';
}

/** Jobs of the service in another database than the configured one. */
export function jobsElsewhere(
  config: ServiceConfig,
  label: string,
  database: OtherDatabase,
  matched: number,
): Finding {
  const { target, jobs, isBroker, certainty } = database;
  const found = jobs
    .map(({ prefix, count, evidence }) => {
      const why = evidence.length === 0 ? '' : ` (${evidence.join(', ')})`;
      return `${counted(count, 'key')} "${prefix}*"${why}`;
    })
    .join(' and ');
  const where = `${isBroker ? "its broker's " : ''}${databaseText(target)}`;
  const prefixes = jobs.filter(({ whose }) => whose !== 'jobs').map(({ prefix }) => prefix);
  const prefix = prefixes.length === 0 ? '' : ` and "keyPrefix": ${jsonValue(prefixes)}`;
  const none =
    config.jobKeys !== 'named'
      ? 'No jobs here'
      : matched === 0
        ? `No key begins with ${wanted(config)} here`
        : `Only ${counted(matched, 'key')} began with ${wanted(config)} here`;
  return {
    code: 'EDATABASE',
    severity: certainty === 'certain' ? 'problem' : 'note',
    target: 'Redis',
    item: `${label} (jobs)`,
    reason: `${none}, and ${found} in ${where} look like jobs of this service: left alone`,
    hint: `in the config, services.${config.name}: "redis": ${JSON.stringify(urlText(target))} instead of ${label}${access(target)}${prefix}; if they are another stack's, leave it`,
  };
}

/**
 * Nothing matched, and what is there is nobody's by name. What looks like jobs may be the service's.
 * @param isShared an earlier run removed the service's jobs here, or another app has a queue here: the
 *   jobs are probably another one's.
 */
export function nothingMatched(
  config: ServiceConfig,
  label: string,
  judgement: Judgement,
  isShared: boolean,
): Finding | undefined {
  const strange = judgement.families.filter(
    ({ whose, claimants }) => whose === undefined && !claimants.includes(config.name),
  );
  if (strange.length === 0) return undefined;
  const jobs = strange.filter(({ evidence }) => evidence.length > 0);
  const alike = jobs
    .map(({ prefix, evidence }) => `; "${prefix}*" may be jobs (${evidence.join(', ')})`)
    .join('');
  const isFew = jobs.length === 0 && strange.every(({ count }) => count === 1);
  const shown = { ...judgement, families: strange };
  const foreign = strange.slice(0, FOREIGN_SHOWN).map((family) => foreignPrefixOf(family));
  return {
    code: 'ENOMATCH',
    severity: isFew ? 'note' : jobs.length > 0 && !isShared ? 'problem' : 'warning',
    target: 'Redis',
    item: label,
    reason: `no key begins with ${wanted(config)}, but the database holds others: ${familiesText(shown)}${alike}`,
    hint:
      jobs.length === 0
        ? `if the service has jobs, correct keyPrefix or the database number in the config; if those are another program's: "foreignKeyPrefixes": ${JSON.stringify(foreign)}`
        : `in the config, services.${config.name}: if those are its jobs, "keyPrefix": ${jsonValue(jobs.map(({ prefix }) => prefix))}; if they are another program's: "foreignKeyPrefixes": ${JSON.stringify(jobs.map(({ prefix }) => prefix))}`,
  };
}

const FOREIGN_SHOWN = 6;

/** What stays beside the jobs although it belongs to them, as far as names and members tell. */
export function relatedKeys(
  config: ServiceConfig,
  label: string,
  related: readonly RelatedFamily[],
): readonly Finding[] {
  const tied = related.filter(({ how, family }) => how !== 'word' || isCollection(family));
  const alike = related.filter((one) => !tied.includes(one));
  return [
    ...relatedFinding(config, label, tied, 'warning'),
    ...relatedFinding(config, label, alike, 'note'),
  ];
}

function relatedFinding(
  config: ServiceConfig,
  label: string,
  related: readonly RelatedFamily[],
  severity: Finding['severity'],
): readonly Finding[] {
  if (related.length === 0) return [];
  const how = {
    list: 'lists ids of its jobs',
    name: 'has ids of its jobs in its names',
    word: 'is called like its jobs',
  };
  const texts = related.map(({ family, how: why }) => {
    const [type = 'key'] = family.types;
    return `"${familyName(family)}" (${counted(family.count, type, type === 'hash' ? 'hashes' : undefined)}, ${how[why]})`;
  });
  const keys = JSON.stringify(related.map(({ family }) => indexKeyOf(family)));
  const foreign = JSON.stringify(related.map(({ family }) => foreignPrefixOf(family)));
  return [
    {
      code: 'EINDEX',
      severity,
      target: 'Redis',
      item: label,
      reason: `beside the jobs the database holds ${texts.join(', ')}: left alone`,
      hint: `in the config, services.${config.name}: "indexKeys": ${keys} removes such keys with the jobs; if they are another program's: "foreignKeyPrefixes": ${foreign}`,
    },
  ];
}

/** Sorted sets, sets and lists: what an index of jobs is. */
function isCollection({ types }: KnownFamily): boolean {
  return types.some((type) => ['zset', 'set', 'list'].includes(type));
}

function foreignPrefixOf(family: KnownFamily): string {
  return familyName(family).replace(/\*$/, '');
}

/** Prefixes that end within a word, and cover several families. */
export function widePrefixes(
  config: ServiceConfig,
  label: string,
  parts: readonly PrefixPart[],
): readonly Finding[] {
  return [...new Set(parts.map(({ prefix }) => prefix))].map((prefix) => {
    const own = parts.filter((part) => part.prefix === prefix);
    const shown = own.slice(0, PARTS_SHOWN).map(({ part, count }) => `${part}* ${grouped(count)}`);
    const more = own.length > shown.length ? `, and ${own.length - shown.length} more` : '';
    return {
      code: 'EWIDEPREFIX',
      severity: 'warning',
      target: 'Redis',
      item: label,
      reason: `keyPrefix "${prefix}" does not end with a separator and covers several families: ${shown.join(', ')}${more}`,
      hint: `in the config, services.${config.name}: name those of ${JSON.stringify(own.slice(0, PARTS_SHOWN).map(({ part }) => part))} that are its jobs as "keyPrefix"`,
    };
  });
}

const PARTS_SHOWN = 8;

/** Databases of the same server that hold keys and that no service of the config uses. */
export function otherDatabasesNote(
  config: ServiceConfig,
  label: string,
  { unclaimed, isKnown }: OtherDatabases,
): readonly Finding[] {
  const note = (
    reason: string,
    hint: string,
    severity: Finding['severity'] = 'note',
  ): readonly Finding[] => [
    { code: 'EKEYSPACE', severity, target: 'Redis', item: label, reason, hint },
  ];
  if (!isKnown) {
    return note(
      'no jobs here, and other databases of the server could not be looked at (INFO is not permitted)',
      'allow it: ACL SETUSER … +info',
      'warning',
    );
  }
  if (unclaimed.size === 0) return [];
  const list = [...unclaimed]
    .slice(0, PARTS_SHOWN)
    .map(([db, keys]) => `${db} (${counted(keys, 'key')})`);
  return note(
    `no jobs here; other databases of the server hold keys: ${list.join(', ')}`,
    `if its jobs are there, correct the database number in services.${config.name}.redis`,
  );
}

function wanted({ keyPrefixes }: ServiceConfig): string {
  return keyPrefixes.map((prefix) => `"${prefix}"`).join(' or ');
}

function jsonValue(all: readonly string[]): string {
  const values = [...new Set(all)];
  return values.length === 1 ? JSON.stringify(values[0]) : JSON.stringify(values);
}

/** Celery's keys behind a `global_keyprefix` that the config does not have. */
export function globalKeyPrefixes(
  config: ServiceConfig,
  label: string,
  fronts: ReadonlyMap<string, ReadonlySet<string>>,
): readonly Finding[] {
  const queues = config.celery?.queues ?? [];
  return [...fronts].map(([front, exchanges]) => {
    const own = queues.filter((queue) => exchanges.has(queue));
    const isOwn = own.length > 0;
    return {
      code: 'EGLOBALPREFIX',
      severity: isOwn ? 'problem' : 'note',
      target: 'Celery',
      item: `${label} (queue)`,
      reason: isOwn
        ? `its queue ${own.join(', ')} is declared behind "${front}", which is Celery's global_keyprefix: messages and results there are left alone`
        : `Celery's keys of another app stand behind "${front}": left alone`,
      hint: isOwn
        ? `in the config, services.${config.name}.celery: "globalKeyPrefix": ${JSON.stringify(front)}`
        : '',
    };
  });
}

/** A queue of the service in another database than the configured broker's. */
export function queuesElsewhere(
  config: ServiceConfig,
  label: string,
  target: RedisTarget,
  queues: readonly string[],
): Finding {
  return {
    code: 'EBROKER',
    severity: 'problem',
    target: 'Celery',
    item: `${label} (queue)`,
    reason: `Nobody declared ${queues.join(', ')} here, and ${databaseText(target)} has it: left alone`,
    hint: `in the config, services.${config.name}.celery: "broker": ${JSON.stringify(urlText(target))}${access(target)}; if that is another stack's, leave it`,
  };
}

/** Results of the service's jobs in a database that the config does not name for them. */
export function resultsElsewhere(
  config: ServiceConfig,
  label: string,
  { target, count }: OtherResults,
): Finding {
  return {
    code: 'ERESULTS',
    severity: 'problem',
    target: 'Redis',
    item: `${label} (results)`,
    reason: `${databaseText(target)} holds ${counted(count, 'result')} of its jobs: left alone`,
    hint: `in the config, services.${config.name}.celery: "resultBackend": ${JSON.stringify(urlText(target))}${access(target)}; the jobs that tell whose these results are may be gone by then, so then with "results": "all" if no other program has results there`,
  };
}
