/**
 * When a job was created, out of the JSON that the services save. In doubt the younger of two
 * readings is taken, or none: what cannot be dated for certain must not be removed as old.
 */
import { tzOffset } from '@date-fns/tz/tzOffset';

/** What is known of a job's age. */
export type CreatedAt =
  | {
      readonly is: 'known';
      /** Milliseconds since 1970, rounded down. */
      readonly time: number;
      /** Whether the text names no time zone, so that it was read in the service's. */
      readonly naive: boolean;
    }
  | { readonly is: 'missing' | 'broken' };

const BROKEN: CreatedAt = { is: 'broken' };
const MINUTE = 60_000;
const DAY = 86_400_000;

/** Older than Redis and Celery: a zero date, or a clock that counts from the boot. */
const FIRST = Date.UTC(2000, 0, 1);
/** With Python's `datetime.max`, in any zone, which some write for "never". */
const LAST = Date.UTC(10_000, 0, 2);

/** As seconds it is the year 5138, as milliseconds 1973: no job is of either. */
const MORE_THAN_SECONDS = 1e11;

/** `datetime.isoformat()` in all its lengths, `str(datetime)`, and what JavaScript writes. */
const DATE = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](.+))?$/;
const TIME =
  /^([01]\d|2[0-3])(?::([0-5]\d)(?::([0-5]\d)(?:[.,](\d{1,9}))?)?)?(?: ?(Z|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?))?$/;

/**
 * `created_at` of a job; `value` is a JSON object, the date in it ISO 8601 or the seconds or
 * milliseconds since 1970. A time without a zone is one of `zone` (an IANA name): in the hour that
 * the end of summer time repeats the second one, in the hour that its beginning leaves out the
 * later reading. A date alone may be any time of that day, so it is the end of it. Never throws.
 */
export function createdAt(value: Buffer, zone: string): CreatedAt {
  let job: unknown;
  try {
    job = JSON.parse(value.toString());
  } catch {
    return BROKEN;
  }
  if (typeof job !== 'object' || job === null || Array.isArray(job)) return BROKEN;
  const date = 'created_at' in job ? job.created_at : undefined;
  if (date === undefined || date === null) return { is: 'missing' };
  if (typeof date === 'number') {
    return known(date > MORE_THAN_SECONDS ? date : date * 1000, false);
  }
  return typeof date === 'string' ? readText(date, zone) : BROKEN;
}

function known(time: number, naive: boolean): CreatedAt {
  if (!(time >= FIRST && time < LAST)) return BROKEN;
  return { is: 'known', time: Math.floor(time), naive };
}

function readText(text: string, zone: string): CreatedAt {
  const [, year, month, day, rest] = DATE.exec(text) ?? [];
  const midnight = dayOf(Number(year), Number(month), Number(day));
  if (Number.isNaN(midnight)) return BROKEN;
  if (rest === undefined) return known(latestInstant(midnight + DAY - 1, zone), true);
  const time = TIME.exec(rest);
  if (time === null) return BROKEN;
  const [, hour, minute = '0', second = '0', fraction = '', offset] = time;
  const seconds = Number(hour) * 3600 + Number(minute) * 60 + Number(second);
  const local = midnight + seconds * 1000 + Number(fraction.slice(0, 3).padEnd(3, '0'));
  return offset === undefined
    ? known(latestInstant(local, zone), true)
    : known(local - offsetOf(offset), false);
}

/** Midnight in UTC; NaN when there is no such day. */
function dayOf(year: number, month: number, day: number): number {
  const time = Date.UTC(year, month - 1, day);
  const date = new Date(time);
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day ? time : Number.NaN;
}

/** Milliseconds of `Z`, `+02`, `+0200` or `+02:00`. */
function offsetOf(text: string): number {
  const minutes = Number(text.slice(1, 3)) * 60 + Number(text.slice(3).replace(':', ''));
  return (text.startsWith('-') ? -minutes : minutes) * MINUTE;
}

/**
 * The last instant at which clocks in `zone` show `local`, the milliseconds since 1970 that they
 * would be in UTC. In a gap it is the reading by the clock from before.
 */
function latestInstant(local: number, zone: string): number {
  const { before, after } = offsetsAround(local, zone);
  const later = local - Math.min(before, after);
  if (before === after || local - later === offsetAt(later, zone)) return later;
  const earlier = local - Math.max(before, after);
  return local - earlier === offsetAt(earlier, zone) ? earlier : later;
}

interface Offsets {
  readonly before: number;
  readonly after: number;
}

/** By zone and day: asking Intl takes longer than all the rest, and jobs are of few days. */
const offsetsOfDays = new Map<string, Map<number, Offsets>>();

/** What the zone's clocks were set to before and after any change that can be near `local`. */
function offsetsAround(local: number, zone: string): Offsets {
  let days = offsetsOfDays.get(zone);
  if (days === undefined) offsetsOfDays.set(zone, (days = new Map<number, Offsets>()));
  const day = Math.floor(local / DAY);
  let offsets = days.get(day);
  if (offsets === undefined) {
    offsets = {
      before: offsetAt((day - 1) * DAY, zone),
      after: offsetAt((day + 2) * DAY, zone),
    };
    days.set(day, offsets);
  }
  return offsets;
}

/** Milliseconds that clocks in `zone` are ahead of UTC; NaN when there is no such zone or time. */
function offsetAt(time: number, zone: string): number {
  return tzOffset(zone, new Date(time)) * MINUTE;
}
