/**
 * Results of a service's jobs behind a prefix that the config does not have (`global_keyprefix` of the
 * result backend): the wipe does not know their names.
 */
import { brokerKeys, RESULT, resultFronts } from '../celery/keys.ts';
import type { Finding } from '../model/finding.ts';
import { matchesKeyPattern } from '../model/key-pattern.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { permitted } from '../redis/errors.ts';
import { isTelling } from '../redis/job-id.ts';
import { countExisting } from '../redis/jobs.ts';
import { startsWith } from '../redis/scan.ts';
import { printable } from '../report/printable.ts';
import { counted } from '../report/text.ts';
import type { SurveySubject } from './key-families.ts';

const NAME = Buffer.from(RESULT);
/** Of each app of the database one. */
const MOST_FRONTS = 100;
/** Results of so many jobs are asked for: one that is there tells. */
const MOST_IDS = 500;

/** What stands before results in a database, as far as neither the service nor a neighbour names it. */
export interface StrayFronts {
  readonly read: (keys: readonly Buffer[]) => void;
  readonly list: () => readonly Buffer[];
}

export function collectStrayFronts({ config, keys, neighbours }: SurveySubject): StrayFronts {
  const fronts = new Map<string, Buffer>();
  const texts = [config, ...neighbours].flatMap(({ keyPrefixes }) => keyPrefixes);
  const known = [
    ...keys.broker.resultStarts,
    ...neighbours.flatMap(({ celery }) => (celery ? brokerKeys(celery).resultStarts : [])),
    ...[...texts, ...config.foreignKeyPrefixes].map((prefix) => Buffer.from(prefix)),
  ];
  const indexes = config.indexKeys.map((pattern) => Buffer.from(pattern));
  return {
    read(batch) {
      if (keys.results === 'none') return;
      for (const key of batch) {
        const at = key.lastIndexOf(NAME);
        if (at <= 0 || fronts.size >= MOST_FRONTS) continue;
        const front = key.toString('latin1', 0, at);
        if (fronts.has(front) || known.some((start) => startsWith(key, start))) continue;
        if (indexes.some((pattern) => matchesKeyPattern(pattern, key))) continue;
        fronts.set(front, Buffer.from(front, 'latin1'));
      }
    },
    list: () => [...fronts.values()],
  };
}

/**
 * @param fronts of `collectStrayFronts`.
 * @param jobIds of jobs of the service, removed or there.
 * @throws RedisError of the connection.
 */
export async function strayResults(
  redis: RedisConnection,
  { config }: SurveySubject,
  fronts: readonly Buffer[],
  jobIds: ReadonlySet<string>,
): Promise<readonly Finding[]> {
  const ids = [...jobIds].filter(isTelling).slice(0, MOST_IDS);
  const findings: Finding[] = [];
  for (const front of ids.length === 0 ? [] : fronts) {
    const results = ids.map((id) => Buffer.concat([front, NAME, Buffer.from(id)]));
    const count = (await permitted(countExisting(redis, results))) ?? 0;
    if (count === 0) continue;
    findings.push({
      code: 'ERESULTPREFIX',
      severity: 'problem',
      target: 'Redis',
      item: `${redis.label} (results)`,
      reason: `${counted(count, 'result')} or more of its jobs stand behind "${printable(front)}", which the config does not have: left alone`,
      hint: hintFor(config.name, front.toString()),
    });
  }
  return findings;
}

function hintFor(service: string, front: string): string {
  const prefix = front.replace(/(?<=.)_$/s, '');
  const isCelerys = resultFronts({ globalKeyPrefix: '', resultKeyPrefix: prefix }).includes(front);
  // Names that no setting of Celery gives.
  if (!isCelerys) {
    return `in the config, services.${service}: "indexKeys": ${JSON.stringify([`${front}${RESULT}*`])} removes such keys with the jobs; if they are another program's: "foreignKeyPrefixes": ${JSON.stringify([front])}`;
  }
  return `in the config, services.${service}.celery: "resultKeyPrefix": ${JSON.stringify(prefix)}; the jobs that tell whose these results are may be gone by then, so then with "results": "all" if no other program has results there; if they are another program's: services.${service}: "foreignKeyPrefixes": ${JSON.stringify([front])}`;
}
