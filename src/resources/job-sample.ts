/** Noted while jobs are counted or removed: some of their ids, and what the prefixes cover. */
import type { ServiceConfig } from '../config/types.ts';
import { countPrefixParts } from './prefix-parts.ts';
import type { SeenJobs } from './survey-jobs.ts';

export interface JobSample {
  readonly note: (keys: readonly Buffer[]) => void;
  /** Is kept when it comes, however many others there are: a worker has a task with this id. */
  readonly watch: (id: string) => void;
  readonly told: () => Pick<SeenJobs, 'ids' | 'parts'>;
}

const MOST_IDS = 10_000;
const MOST_BYTES = 2 ** 20;

export function createJobSample({ keyPrefixes }: Pick<ServiceConfig, 'keyPrefixes'>): JobSample {
  const parts = countPrefixParts(keyPrefixes);
  const ids = new Set<string>();
  const watched = new Set<string>();
  let bytes = 0;
  const idOf = (key: Buffer): string | undefined => {
    const text = key.toString();
    const prefix = keyPrefixes.find((one) => text.startsWith(one));
    return prefix === undefined ? undefined : text.slice(prefix.length).replace(/^[:/|._-]+/, '');
  };
  return {
    note(keys) {
      parts.note?.(keys);
      for (const key of keys) {
        bytes += key.length;
        const isFull = ids.size >= MOST_IDS || bytes > MOST_BYTES;
        if (isFull && watched.size === 0) break;
        const id = idOf(key);
        if (id !== undefined && (!isFull || watched.has(id))) ids.add(id);
      }
    },
    watch(id) {
      watched.add(id);
    },
    told: () => ({ ids, parts: parts.list() }),
  };
}
