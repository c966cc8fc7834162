/** Noted while jobs are counted or removed: some of their ids, and what the prefixes cover. */
import type { ServiceConfig } from '../config/types.ts';
import { countPrefixParts } from './prefix-parts.ts';
import type { SeenJobs } from './survey-jobs.ts';

export interface JobSample {
  readonly note: (keys: readonly Buffer[]) => void;
  readonly told: () => Pick<SeenJobs, 'ids' | 'parts'>;
}

const MOST_IDS = 10_000;
const MOST_BYTES = 2 ** 20;

export function createJobSample({ keyPrefixes }: Pick<ServiceConfig, 'keyPrefixes'>): JobSample {
  const parts = countPrefixParts(keyPrefixes);
  const ids = new Set<string>();
  let bytes = 0;
  return {
    note(keys) {
      parts.note?.(keys);
      for (const key of ids.size < MOST_IDS ? keys : []) {
        if (ids.size === MOST_IDS) break;
        bytes += key.length;
        if (bytes > MOST_BYTES) break;
        const text = key.toString();
        const prefix = keyPrefixes.find((one) => text.startsWith(one));
        if (prefix !== undefined) ids.add(text.slice(prefix.length).replace(/^[:/|._-]+/, ''));
      }
    },
    told: () => ({ ids, parts: parts.list() }),
  };
}
