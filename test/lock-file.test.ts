/** The lock of a host, among many processes that are killed at any moment. */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from 'esbuild';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  isOurs,
  lookAtLock,
  newToken,
  releaseLock,
  renewLock,
  rewriteLock,
  takeLock,
} from '../src/runs/lock-file.ts';
import type { Attempt, Holder } from '../src/runs/lock-file.ts';
import { identify } from '../src/runs/process-identity.ts';
import { SEED, dice } from './support/dice.ts';
import { createFolder, testFolder } from './support/folder.ts';
import { ended, hasEnded, killAtExit } from './support/processes.ts';

const CONTENDERS = 6;
const STRESS_MS = 8_000;
const MORE_MS = 40_000;
const LONG_AGO = new Date(Date.now() - 3_600_000);

let contender = '';

beforeAll(async () => {
  const folder = createFolder();
  contender = join(folder.path, 'contender.mjs');
  const source = fileURLToPath(new URL('support/lock-contender.ts', import.meta.url));
  await build({
    entryPoints: [source],
    outfile: contender,
    bundle: true,
    platform: 'node',
    format: 'esm',
  });
  return () => {
    folder.remove();
  };
});

/** The lock file in a directory of its own, and what is beside it. */
function place() {
  const folder = testFolder();
  const directory = join(folder, 'locks');
  mkdirSync(directory);
  return {
    folder,
    file: join(directory, 'media.lock'),
    entries: (): readonly string[] => readdirSync(directory).toSorted(),
  };
}

function holder(changes: Partial<Holder> = {}): Holder {
  return {
    ...identify(process.pid),
    token: newToken(),
    since: Date.now(),
    user: 'somebody',
    service: 'media',
    cleanupId: undefined,
    ...changes,
  };
}

function held(attempt: Attempt) {
  if (attempt.is === 'locked') throw new Error(`locked by ${JSON.stringify(attempt.by)}`);
  return attempt.lock;
}

function deadPid(): number {
  return spawnSync('true').pid;
}

describe('a lock file', () => {
  test('names its holder, keeps others away, and is gone when it is released', () => {
    const { file, entries } = place();
    const lock = held(takeLock(file, holder()));
    const second = takeLock(file, holder());
    expect(second).toEqual({ is: 'locked', by: lock.holder });
    rewriteLock(lock, { cleanupId: 'cleanup_total_1' });
    expect(lookAtLock(file)).toMatchObject({
      isAlive: true,
      holder: { cleanupId: 'cleanup_total_1' },
    });
    expect(entries()).toEqual(['media.lock']);
    releaseLock(lock);
    expect(entries()).toEqual([]);
    releaseLock(lock);
    expect(lookAtLock(file)).toBeUndefined();
  });

  test('that was handed over is not released by who had it', () => {
    const { file } = place();
    const token = newToken();
    const first = held(takeLock(file, holder({ token })));
    const second = held(takeLock(file, holder({ token, since: 1 })));
    rewriteLock(second, { pid: process.ppid });
    expect(isOurs(first)).toBe(true);
    const third = held(takeLock(`${file}2`, holder()));
    releaseLock({ ...third, file });
    expect(lookAtLock(file)?.holder.pid).toBe(process.ppid);
  });

  test.each([
    ['whose process is gone', () => holder({ pid: deadPid() })],
    ['whose pid another process has by now', () => holder({ started: '1' })],
    ['of the boot before', () => holder({ realm: 'another-boot pid:[1]' })],
    ['whose start nobody knew and that is gone', () => holder({ pid: deadPid(), started: '' })],
  ])('of a holder %s is taken over at once', (_, dead) => {
    const { file, entries } = place();
    writeFileSync(file, JSON.stringify(dead()));
    expect(lookAtLock(file)?.isAlive).toBe(false);
    const lock = held(takeLock(file, holder()));
    expect(takeLock(file, holder()).is).toBe('locked');
    expect(entries()).toEqual(['media.lock']);
    releaseLock(lock);
    expect(entries()).toEqual([]);
  });

  test.each([true, false])('of a zombie is taken over (its start known: %s)', async (isKnown) => {
    const { file } = place();
    // The shell's child ends, and the shell is replaced by one that does not ask for it.
    const parent = spawn('sh', ['-c', 'sleep 0.3 & echo $!; exec sleep 20'], { detached: true });
    killAtExit(parent);
    const pid = await new Promise<number>((resolve) =>
      parent.stdout.once('data', (chunk: Buffer) => resolve(Number(chunk.toString()))),
    );
    const identity = identify(pid);
    writeFileSync(
      file,
      JSON.stringify(holder({ ...identity, ...(isKnown ? {} : { started: '' }) })),
    );
    expect(takeLock(file, holder()).is).toBe('locked');
    await expect.poll(() => readFileSync(`/proc/${pid}/stat`, 'latin1')).toContain(') Z ');
    held(takeLock(file, holder()));
    parent.kill('SIGKILL');
    await ended(parent);
  });

  test.each([
    ['another pid namespace', { realm: `${identify(1).realm.split(' ')[0]} pid:[1]` }],
    ['another host', { realm: 'another-boot pid:[1]', host: `${hostname()}-2` }],
  ])('of %s is respected while it is told of, and taken over an hour later', (_, where) => {
    const { file, entries } = place();
    const unseen = holder({ ...where, pid: deadPid() });
    writeFileSync(file, JSON.stringify(unseen));
    expect(takeLock(file, holder())).toEqual({ is: 'locked', by: unseen });
    utimesSync(file, LONG_AGO, LONG_AGO);
    renewLock({ file, holder: holder() });
    expect(lookAtLock(file)?.isAlive, 'nobody else renews it').toBe(false);
    renewLock({ file, holder: unseen });
    expect(takeLock(file, holder())).toEqual({ is: 'locked', by: unseen });
    utimesSync(file, LONG_AGO, LONG_AGO);
    const lock = held(takeLock(file, holder()));
    expect(isOurs({ file, holder: unseen })).toBe(false);
    releaseLock({ file, holder: unseen });
    rewriteLock({ file, holder: unseen }, { cleanupId: 'nobody' });
    expect(lookAtLock(file)?.holder).toEqual(lock.holder);
    expect(entries()).toEqual(['media.lock']);
  });

  test.each([
    '',
    'x',
    '{',
    'null',
    '[]',
    '{"token":1,"pid":2}',
    '{"token":"../x","pid":1}',
    '\0\xff',
  ])("with %j in it is nobody's: taken over at once", (text) => {
    const { file, entries } = place();
    writeFileSync(file, text);
    const lock = held(takeLock(file, holder()));
    expect(takeLock(file, holder()).is).toBe('locked');
    releaseLock(lock);
    expect(entries()).toEqual([]);
  });

  test('whose successors are spoilt too is taken over', () => {
    const { file, entries } = place();
    for (const name of ['', '.after-nobody', '.after-']) writeFileSync(`${file}${name}`, '');
    const dead = holder({ pid: deadPid() });
    writeFileSync(`${file}.after-x`, JSON.stringify({ ...dead, token: 'x' }));
    held(takeLock(file, holder()));
    expect(entries()).toEqual(['media.lock']);
  });

  test('what others leave beside it is removed, and what is not theirs stays', () => {
    const { file, entries } = place();
    const alive = JSON.stringify(holder());
    writeFileSync(`${file}.new-dead`, JSON.stringify(holder({ pid: deadPid() })));
    writeFileSync(`${file}.new-old`, '');
    utimesSync(`${file}.new-old`, LONG_AGO, LONG_AGO);
    writeFileSync(`${file}.new-being-written`, '');
    writeFileSync(`${file}.new-alive`, alive);
    writeFileSync(`${file}x.new-of-another`, JSON.stringify(holder({ pid: deadPid() })));
    held(takeLock(file, holder()));
    expect(entries()).toEqual([
      'media.lock',
      'media.lock.new-alive',
      'media.lock.new-being-written',
      'media.lockx.new-of-another',
    ]);
  });

  test('a taker killed before any change of the file system: the next one has it, nothing piles up', () => {
    const { folder, file, entries } = place();
    for (const first of ['none', 'a dead one', 'one killed as a successor'] as const) {
      let kills = 0;
      for (let dieAt = 1; ; dieAt += 1) {
        if (first !== 'none') {
          writeFileSync(file, JSON.stringify(holder({ token: 'first', pid: deadPid() })));
        }
        if (first === 'one killed as a successor') {
          const second = holder({ token: 'second', pid: deadPid() });
          writeFileSync(`${file}.after-first`, JSON.stringify(second));
        }
        const args = [contender, file, folder, '0', '--die-at', String(dieAt)];
        const { signal, status, stderr } = spawnSync(process.execPath, args, { timeout: 20_000 });
        if (signal === null) {
          expect([status, stderr.toString()]).toEqual([0, '']);
          break;
        }
        kills += 1;
        const lock = held(takeLock(file, holder()));
        expect(takeLock(file, holder()).is).toBe('locked');
        expect(entries(), `${first}, killed before change ${dieAt}`).toEqual(['media.lock']);
        releaseLock(lock);
        expect(entries()).toEqual([]);
      }
      expect(kills).toBeGreaterThan(5);
    }
  });

  test(`${CONTENDERS} processes, killed at any moment: never two at once, never lost, no litter`, async () => {
    const { folder, file, entries } = place();
    const random = dice(SEED);
    const log = join(folder, 'log');
    writeFileSync(log, '');
    const start = (): ChildProcess => {
      const args = [contender, file, folder, String(STRESS_MS)];
      const child = spawn(process.execPath, args, { detached: true, stdio: 'ignore' });
      killAtExit(child);
      return child;
    };
    const running = Array.from({ length: CONTENDERS }, start);
    let kills = 0;
    let most = 0;
    const holds = (): number => readFileSync(log, 'utf8').split('\n').length;
    const end = Date.now() + STRESS_MS;
    // On a busy machine it takes longer until it has happened often enough.
    while (Date.now() < end || (holds() < 100 && Date.now() < end + MORE_MS)) {
      await sleep(random() * 40);
      most = Math.max(most, entries().length);
      const at = Math.floor(random() * CONTENDERS);
      const victim = running[at];
      if (victim === undefined) continue;
      if (!hasEnded(victim)) victim.kill('SIGKILL');
      kills += 1;
      await ended(victim);
      running[at] = start();
    }
    for (const child of running) child.kill('SIGKILL');
    await Promise.all(running.map(ended));
    const lines = readFileSync(log, 'utf8').trim().split('\n');
    expect(lines.filter((line) => line.startsWith('NOT ALONE'))).toEqual([]);
    // Killed between its making and its first byte, a file may be one that is being written.
    for (const name of entries()) {
      const path = join(folder, 'locks', name);
      if (readFileSync(path).length === 0) utimesSync(path, LONG_AGO, LONG_AGO);
    }
    const lock = held(takeLock(file, holder()));
    expect(entries()).toEqual(['media.lock']);
    releaseLock(lock);
    const figures = `seed ${SEED}: held ${lines.length} times, ${kills} kills, at most ${most} files`;
    expect(lines.length, figures).toBeGreaterThan(50);
    expect(kills, figures).toBeGreaterThan(20);
    // Of each kill at most two stay until the next one holds it, or for a minute if they are empty.
    expect(most, figures).toBeLessThan(8 * CONTENDERS);
  }, 300_000);
});

test('another user cannot read it: that is an error of the system, and no lock', () => {
  const { file } = place();
  mkdirSync(file);
  expect(() => takeLock(file, holder())).toThrow(/EISDIR/);
  execFileSync('rmdir', [file]);
  held(takeLock(file, holder()));
});
