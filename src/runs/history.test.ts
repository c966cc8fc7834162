import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { NOTHING_REMOVED, statusOf } from '../report/run-types.ts';
import type { RunRecord } from '../report/run-types.ts';
import { cleanupId } from './cleanup-id.ts';
import {
  claimRun,
  pruneRuns,
  readRun,
  readRuns,
  recordText,
  runIds,
  touchRun,
  writeRunFile,
} from './history.ts';
import { identify } from './process-identity.ts';
import type { ProcessIdentity } from './process-identity.ts';

let state: string;
const own = identify(process.pid);
const unseen: ProcessIdentity = { ...own, realm: 'elsewhere', host: `not-${hostname()}` };

beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'media-cleanup-history-'));
});

afterEach(() => {
  rmSync(state, { recursive: true });
});

function record(startedAt: Date, change: Partial<RunRecord> = {}): RunRecord {
  return {
    cleanupId: cleanupId(startedAt),
    status: 'completed',
    targets: ['all'],
    kinds: ['jobs', 'queue', 'files', 'models'],
    olderThan: undefined,
    configFile: '/etc/media-cleanup/cleanup.config.json',
    detached: false,
    user: 'ops',
    host: 'host',
    pid: 1,
    startedAt,
    finishedAt: startedAt,
    exitCode: 0,
    message: 'done',
    removed: NOTHING_REMOVED,
    errors: 0,
    ...change,
  };
}

/** A run that long ago, of a process that is there unless said otherwise. */
function add(minutesAgo: number, change: Partial<RunRecord> = {}, of = own): string {
  const startedAt = new Date(Date.now() - minutesAgo * 60_000);
  const id = claimRun(state, startedAt);
  writeRunFile(state, id, 'run.json', recordText(record(startedAt, change), of));
  return id;
}

function addRunning(minutesAgo: number, of = own): string {
  return add(minutesAgo, { status: 'processing', finishedAt: undefined, exitCode: undefined }, of);
}

const at = (...names: readonly string[]): string => join(state, 'runs', ...names);

test('an id that is taken is the next second for the next one', () => {
  const now = new Date(2025, 9, 27, 23, 59, 59);
  expect([claimRun(state, now), claimRun(state, now), claimRun(state, now)]).toEqual([
    'cleanup_total_20251027_235959',
    'cleanup_total_20251028_000000',
    'cleanup_total_20251028_000001',
  ]);
});

test('comes back as it was written, the newest first', () => {
  const ids = [add(30), add(10), add(20)];
  expect(readRuns(state).map((run) => run.record.cleanupId)).toEqual([ids[1], ids[2], ids[0]]);
  const [run] = readRuns(state);
  expect(run?.record).toEqual({
    ...record(run?.record.startedAt ?? new Date()),
    cleanupId: ids[1],
  });
});

describe('a run without an end', () => {
  test('runs as long as its process does', () => {
    const running = readRun(state, addRunning(1));
    expect([running?.isAlive, running && statusOf(running)]).toEqual([true, 'processing']);
    const died = readRun(state, addRunning(1, { ...own, started: '1' }));
    expect([died?.isAlive, died && statusOf(died)]).toEqual([false, 'died']);
  });

  test('whose process cannot be seen runs as long as it gives signs', () => {
    const id = addRunning(60, unseen);
    expect(readRun(state, id)?.isAlive).toBeUndefined();
    const old = new Date(Date.now() - 100_000);
    utimesSync(at(id, 'run.json'), old, old);
    expect(readRun(state, id)?.isAlive).toBe(false);
    touchRun(state, id);
    expect(readRun(state, id)?.isAlive).toBeUndefined();
  });
});

describe('what is spoilt', () => {
  test.each([
    ['nothing', undefined],
    ['an empty file', ''],
    ['half a file', '{"cleanupId": "cleanup_to'],
    ['null', 'null'],
    ['a number', '7'],
    ['an empty object', '{}'],
    ['no targets', recordText({ ...record(new Date()), targets: 'all' as never }, own)],
    ['a start that is none', recordText(record(new Date()), own).replace(/"20\d\d-/g, '"then-')],
    ['no process', recordText(record(new Date()), null as never)],
    ['no counts', recordText({ ...record(new Date()), removed: {} as never }, own)],
  ])('%s is no run, and in the way of none', (_, text) => {
    const good = add(10);
    const id = claimRun(state, new Date());
    if (text !== undefined) writeRunFile(state, id, 'run.json', text);
    expect(readRun(state, id)).toBeUndefined();
    expect(readRuns(state).map((run) => run.record.cleanupId)).toEqual([good]);
    expect(runIds(state)).toEqual([id, good]);
  });

  test('a directory where a file should be is in the way of none', () => {
    const good = add(10);
    mkdirSync(at(claimRun(state, new Date()), 'run.json'));
    expect(readRuns(state).map((run) => run.record.cleanupId)).toEqual([good]);
  });

  test('progress that is none is left out', () => {
    const id = addRunning(1);
    for (const text of ['', '{}', 'null', '{"service": "media", "step": "jobs"}']) {
      writeRunFile(state, id, 'progress.json', text);
      expect(readRun(state, id)?.progress, text).toBeUndefined();
    }
  });
});

describe('pruning', () => {
  test('keeps the newest 50, and those that go on', () => {
    const running = addRunning(1000);
    const away = addRunning(999, unseen);
    const ids = Array.from({ length: 55 }, (_, index) => add(500 - index));
    pruneRuns(state);
    expect(readdirSync(at()).toSorted()).toEqual([running, away, ...ids.slice(5)].toSorted());
  });

  test('leaves what is not ours, and follows no link', () => {
    const [foreign = '', linked = '', strange = ''] = [900, 901, 902].map((ago) => add(ago));
    writeFileSync(at(foreign, 'notes.txt'), 'mine');
    const elsewhere = join(state, 'elsewhere');
    mkdirSync(elsewhere);
    writeFileSync(join(elsewhere, 'run.json'), recordText(record(new Date()), own));
    rmSync(at(linked), { recursive: true });
    symlinkSync(elsewhere, at(linked));
    // Nobody's run, though it has such a name.
    rmSync(at(strange), { recursive: true });
    writeFileSync(at(strange), 'a file');
    writeFileSync(at('README'), 'stays');
    for (let index = 0; index < 50; index += 1) add(500 - index);
    pruneRuns(state);
    expect(existsSync(join(elsewhere, 'run.json'))).toBe(true);
    expect(existsSync(at(linked))).toBe(true);
    expect(readdirSync(at(foreign))).toEqual(['notes.txt']);
    expect([existsSync(at(strange)), existsSync(at('README'))]).toEqual([true, true]);
  });

  test('one that was only just claimed stays', () => {
    const fresh = claimRun(state, new Date(Date.now() - 1_000_000_000));
    const old = claimRun(state, new Date(Date.now() - 2_000_000_000));
    const then = new Date(Date.now() - 100_000);
    utimesSync(at(old), then, then);
    for (let index = 0; index < 50; index += 1) add(500 - index);
    pruneRuns(state);
    expect([existsSync(at(fresh)), existsSync(at(old))]).toEqual([true, false]);
  });
});
