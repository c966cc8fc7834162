import type { Expected, LogEntry, Progress } from '../report/observer.ts';

/** How far a wipe is, how fast and how much longer. Times are milliseconds of one steady clock. */
export interface Meter {
  expect(totals: readonly Expected[]): void;
  progress(progress: Progress, now: number): void;
  /** A line was logged: mostly the end of a step, and what is told of it next begins at 0 again. */
  logged(entry: LogEntry): void;
  /** Of the step that was told of last. Undefined: none was. */
  read(now: number): Reading | undefined;
  /** Of the whole wipe, 0 to 0.99; undefined where nothing was counted, and before it has begun. */
  fraction(): number | undefined;
}

export interface Reading extends Progress {
  /** `files` of `files in Uploads`. */
  readonly kind: string;
  /** ` in Uploads`, or nothing. */
  readonly where: string;
  readonly milliseconds: number;
  /** Of the whole wipe, 0 to 0.99; undefined where nothing was counted before. */
  readonly fraction: number | undefined;
  /** Of the service and the kind of step: what the plan counted, and what went in all its parts. */
  readonly expected:
    { readonly count: number; readonly done: number; readonly bytes: number } | undefined;
  /** Undefined until they can be told, and of steps that remove nothing. */
  readonly itemsPerSecond: number | undefined;
  readonly bytesPerSecond: number | undefined;
  /** Only while the pace is steady enough to tell. */
  readonly secondsLeft: number | undefined;
}

/** Of one service both go on at once, each in its order; of several services all do. */
const IN_ORDER = [
  ['queue', 'in-flight', 'jobs'],
  ['files', 'models'],
];
const KINDS = IN_ORDER.flat();
/** A line that changes with every reading cannot be read: so long one step stays that goes on. */
const STAY_MS = 2000;
const AFTER_IT_ALL = ['verify', 'watch', 'save'];

/** About as much work as one more item: a gigabyte of large files does not go in an instant. */
const BYTES_AN_ITEM = 8 * 2 ** 20;

const RATE_SPAN = 5000;
const PACE_SPAN = 30_000;
/** No guess before, and none where the last seconds differ from the last half minute by more. */
const GUESS_AFTER = 3000;
const STEADY = 2;
const LEAST_TO_JUDGE = 0.005;

interface Account {
  readonly service: string;
  readonly kind: string;
  readonly count: number;
  readonly bytes: number;
  readonly work: number;
  done: number;
  freed: number;
  isClosed: boolean;
}

export function createMeter(): Meter {
  const last = new Map<string, { done: number; bytes: number; began: number }>();
  const accounts = new Map<string, Account>();
  let current: Progress | undefined;
  let currentAt = 0;
  let rated = '';
  const rates = new Map(KINDS.map((kind) => [kind, removalRate()]));
  const lately = slidingRate(RATE_SPAN);
  const pace = slidingRate(PACE_SPAN);
  let began: number | undefined;
  let highest = 0;

  function close(service: string, kinds: readonly string[]): void {
    for (const account of accounts.values()) {
      if (account.service === service && kinds.includes(account.kind)) account.isClosed = true;
    }
  }

  function isCurrent({ service, step }: Progress, now: number): boolean {
    if (current === undefined || now - currentAt > STAY_MS) return true;
    const [before, next] = [kindOf(current.step), kindOf(step)];
    if (![before, next].every((kind) => KINDS.includes(kind))) return true;
    return current.service === service && orderOf(before) === orderOf(next);
  }

  function fraction(): number | undefined {
    let all = 0;
    let done = 0;
    for (const account of accounts.values()) {
      all += account.work;
      const { count, bytes: size } = account;
      const went = workOf(Math.min(count, account.done), Math.min(size, account.freed));
      done += account.isClosed ? account.work : went;
    }
    if (all === 0) return undefined;
    highest = Math.max(highest, Math.min(0.99, done / all));
    return highest;
  }

  return {
    expect(totals) {
      for (const { service, step, count, bytes: size } of totals) {
        const work = workOf(count, size);
        const none = { done: 0, freed: 0, isClosed: false };
        const account = { service, kind: step, count, bytes: size, work, ...none };
        accounts.set(keyOf(service, step), account);
      }
    },
    progress(progress, now) {
      const { service, step } = progress;
      const kind = kindOf(step);
      const key = keyOf(service, step);
      const known = last.get(key);
      const isAgain = known === undefined || progress.done < known.done;
      const before = isAgain ? { done: 0, bytes: 0, began: known?.began ?? now } : known;
      const more = progress.done - before.done;
      const moreBytes = Math.max(0, progress.bytes - before.bytes);
      last.set(key, { done: progress.done, bytes: progress.bytes, began: before.began });
      if (isCurrent(progress, now)) {
        current = progress;
        currentAt = now;
      }
      if (AFTER_IT_ALL.includes(kind)) close(service, KINDS);
      if (!KINDS.includes(kind)) return;
      rates.get(kind)?.note(now, more, moreBytes, rated !== kind);
      rated = kind;
      const account = accounts.get(keyOf(service, kind));
      if (account !== undefined) {
        account.done += more;
        account.freed += moreBytes;
        const order = orderOf(kind);
        close(service, order.slice(0, order.indexOf(kind)));
      }
      const part = fraction();
      if (part === undefined) return;
      began ??= now;
      lately.note(now, part);
      pace.note(now, part);
    },
    logged({ level, service = '', step, figures }) {
      // While something goes on, of which this is told as well.
      if (level === 'DEBUG' || level === 'ERROR' || ['warning', 'note', 'interrupt'].includes(step))
        return;
      current = undefined;
      if (figures === undefined) return;
      const key = keyOf(service, step);
      // A service has several directories, each with its own line.
      for (const known of last.keys()) {
        if (known === key || known.startsWith(`${key} in `)) last.delete(known);
      }
      const account = accounts.get(key);
      if (account !== undefined && step !== 'files' && step !== 'models') account.isClosed = true;
    },
    fraction: () => (began === undefined ? undefined : fraction()),
    read(now) {
      if (current === undefined) return undefined;
      const { service, step } = current;
      const kind = kindOf(step);
      const started = last.get(keyOf(service, step))?.began ?? now;
      const part = fraction();
      const isRemoval = KINDS.includes(kind);
      const account = accounts.get(keyOf(service, kind));
      return {
        ...current,
        kind,
        where: step.slice(kind.length),
        milliseconds: now - started,
        // While workers are waited for nothing moves.
        fraction: isRemoval || AFTER_IT_ALL.includes(kind) ? part : undefined,
        expected: account && { count: account.count, done: account.done, bytes: account.freed },
        itemsPerSecond: rates.get(kind)?.items(now),
        bytesPerSecond: rates.get(kind)?.bytes(now),
        secondsLeft: isRemoval && part !== undefined ? guess(part, now) : undefined,
      };
    },
  };

  function guess(part: number, now: number): number | undefined {
    if (began === undefined || now - began < GUESS_AFTER || part < LEAST_TO_JUDGE) return undefined;
    const fast = lately.perSecond(now, part) ?? 0;
    const slow = pace.perSecond(now, part) ?? 0;
    if (fast <= 0 || slow <= 0 || fast > slow * STEADY || slow > fast * STEADY) return undefined;
    return (1 - part) / slow;
  }
}

function orderOf(kind: string): readonly string[] {
  return IN_ORDER.find((kinds) => kinds.includes(kind)) ?? [];
}

/** Of one kind of step, over all services. */
function removalRate() {
  const gone = { items: 0, bytes: 0 };
  const items = slidingRate(RATE_SPAN);
  const bytes = slidingRate(RATE_SPAN);
  return {
    /** @param isBack whether another kind was told of last: what was before a pause is no rate. */
    note(now: number, more: number, moreBytes: number, isBack: boolean): void {
      if (isBack && items.isOver(now)) {
        items.clear();
        bytes.clear();
      }
      gone.items += more;
      gone.bytes += moreBytes;
      items.note(now, gone.items);
      bytes.note(now, gone.bytes);
    },
    items: (now: number) => items.perSecond(now, gone.items),
    bytes: (now: number) => bytes.perSecond(now, gone.bytes),
  };
}

function keyOf(service: string, step: string): string {
  return `${service}\n${step}`;
}

/** `files` of `files in Uploads`, `wait` of `wait for worker@host`. */
export function kindOf(step: string): string {
  return step.replace(/ (in|for) .*$/s, '');
}

function workOf(count: number, bytes: number): number {
  return count + bytes / BYTES_AN_ITEM;
}

interface SlidingRate {
  note(now: number, total: number): void;
  /** Undefined before a second of it is known. */
  perSecond(now: number, total: number): number | undefined;
  /** Whether nothing was noted for the whole span. */
  isOver(now: number): boolean;
  clear(): void;
}

/** Of a growing total over the last `span` milliseconds, or since the last but one note. */
function slidingRate(span: number): SlidingRate {
  const notes: { readonly time: number; readonly total: number }[] = [];
  return {
    note(now, total) {
      const newest = notes.at(-1);
      if (newest !== undefined && now - newest.time < span / 25) return;
      notes.push({ time: now, total });
      while (notes.length > 2 && (notes[1]?.time ?? now) <= now - span) notes.shift();
    },
    perSecond(now, total) {
      const [oldest] = notes;
      if (oldest === undefined || now - oldest.time < 1000) return undefined;
      return ((total - oldest.total) * 1000) / (now - oldest.time);
    },
    isOver: (now) => now - (notes.at(-1)?.time ?? -Infinity) > span,
    clear() {
      notes.length = 0;
    },
  };
}
