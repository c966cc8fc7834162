import type { KeptJobs } from '../redis/job-age.ts';
import { printable } from '../report/printable.ts';
import type { Failure } from '../report/types.ts';
import { counted } from '../report/text.ts';

/** Warnings of plan and wipe, one sentence each with its remedy. */

export interface Warning {
  readonly text: string;
  /** A note is the normal case at times (a directory that does not exist yet): not for --quiet. */
  readonly weight: 'warning' | 'note';
}

export function warning(text: string): Warning {
  return { text, weight: 'warning' };
}

export function mountWarning(directory: string, mount: Buffer): string {
  return `${directory}/${printable(mount)} is a mount point: not entered, not removed; unmount it if it should go too`;
}

/** What is mounted below a directory is not known to be empty, so nothing vouches for it. */
export function mountFailure(directory: string, mount: Buffer): Failure {
  return {
    target: directory,
    item: printable(mount),
    code: 'EMOUNTPOINT',
    reason: 'Is a mount point: not entered, not removed',
    hint: 'unmount it if it should go too; if it may stay, name it in "keep", or write { "path": …, "mountsMayStay": true }',
  };
}

export function nfsWarning(directory: string, path: Buffer): string {
  return `${directory}/${printable(path)}: a deleted file, held by an NFS client: pending, gone when that closes it; restart it to free the space`;
}

export function strangeKeyWarning(label: string, key: Buffer, type: string): string {
  return `Redis ${label}: the key ${printable(key)} has the name of a queue but is a ${type}: left alone; look at it with redis-cli`;
}

/** Of `--older-than`: jobs that stay because they cannot be dated. */
export function undatedWarning(label: string, { undated, broken }: KeptJobs): string {
  const count = undated + broken;
  const stay = count === 1 ? 'stays, since its age is' : 'stay, since their ages are';
  return `Redis ${label}: ${counted(count, 'job')} ${stay} not known: ${undated} without a created_at, ${broken} with one that is no time`;
}

/** Of `--older-than`: jobs whose age hangs on the zone that was taken. */
export function naiveWarning(label: string, { naive }: KeptJobs, zone: string): string {
  return `Redis ${label}: ${counted(naive, 'job')} with a created_at without a time zone: taken as ${zone}; if that is wrong, set "timeZone" in the config`;
}
