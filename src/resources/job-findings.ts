/** What a survey of a service's keys means for the operator, in sentences with the line to change. */
import type { ServiceConfig } from '../config/types.ts';
import type { Finding } from '../model/finding.ts';
import { targetLabel } from '../redis/target.ts';
import { counted, grouped } from '../report/text.ts';
import type { Judgement } from './judge-families.ts';
import { familiesText, familyName } from './key-families.ts';
import type { KnownFamily } from './key-families.ts';
import type { OtherDatabase, OtherDatabases } from './other-databases.ts';
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
  const likely = ours.length > 0 ? ours : families.filter(({ evidence }) => evidence.length > 0);
  const prefixes = likely.map(({ prefix }) => prefix);
  const value = prefixes.length === 0 ? '"<what its job keys begin with>"' : jsonValue(prefixes);
  const holds =
    judgement === undefined
      ? 'the database could not be looked at'
      : judgement.keys === 0
        ? 'the database is empty now'
        : `the database holds ${familiesText(judgement)}`;
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
  return `in the config, services.${name}: "keyPrefix": ${jsonValue(right)}; if they are another program's: "foreignKeyPrefixes": ${foreign}`;
}

/** Jobs of the service in another database than the configured one. */
export function jobsElsewhere(
  config: ServiceConfig,
  label: string,
  database: OtherDatabase,
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
    config.jobKeys === 'named' ? `No key begins with ${wanted(config)} here` : 'No jobs here';
  return {
    code: 'EDATABASE',
    severity: ({ certain: 'problem', likely: 'warning', unlikely: 'note' } as const)[certainty],
    target: 'Redis',
    item: `${label} (jobs)`,
    reason: `${none}, and ${found} in ${where} look like jobs of this service: left alone`,
    hint: `in the config, services.${config.name}: "redis" with ${targetLabel(target)} instead of ${label}${prefix}; if they are another stack's, leave it`,
  };
}

/** Nothing matched and nothing there looks like jobs: the service may be unused, or elsewhere. */
export function nothingMatched(
  config: ServiceConfig,
  label: string,
  judgement: Judgement,
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
    severity: isFew ? 'note' : 'warning',
    target: 'Redis',
    item: label,
    reason: `no key begins with ${wanted(config)}, but the database holds others: ${familiesText(shown)}${alike}`,
    hint: `if the service has jobs, correct keyPrefix or the database number in the config; if those are another program's: "foreignKeyPrefixes": ${JSON.stringify(foreign)}`,
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
      hint: `in the config, services.${config.name}: name the ones that are its jobs, e.g. "keyPrefix": ${JSON.stringify(own[0]?.part ?? prefix)}`,
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
  const note = (reason: string, hint: string): readonly Finding[] => [
    { code: 'EKEYSPACE', severity: 'note', target: 'Redis', item: label, reason, hint },
  ];
  if (!isKnown) {
    return note(
      'no jobs here, and other databases of the server could not be looked at (INFO is not permitted)',
      'allow it: ACL SETUSER … +info',
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
