/** Noted while jobs are counted or removed: some of their ids, and what the prefixes cover. */
import type { ServiceConfig } from '../config/types.ts';
import { countPrefixParts } from './prefix-parts.ts';
import type { SeenJobs } from './survey-jobs.ts';

export interface JobSample {
  readonly note: (keys: readonly Buffer[]) => void;
  readonly told: () => Pick<SeenJobs, 'ids' | 'parts'>;
}

/** About one megabyte. */
const MOST_IDS = 10_000;

export function createJobSample({ keyPrefixes }: Pick<ServiceConfig, 'keyPrefixes'>): JobSample {
  const parts = countPrefixParts(keyPrefixes);
  const ids = new Set<string>();
  return {
    note(keys) {
      parts.note?.(keys);
      for (const key of ids.size < MOST_IDS ? keys : []) {
        if (ids.size === MOST_IDS) break;
        const text = key.toString();
        const prefix = keyPrefixes.find((one) => text.startsWith(one));
        if (prefix !== undefined) ids.add(text.slice(prefix.length).replace(/^[:/|._-]+/, ''));
      }
    },
    told: () => ({ ids, parts: parts.list() }),
  };
}
