import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testFolder } from '../../test/support/folder.ts';
import type { Claim } from '../files/directory-claim.ts';
import { claimsAgainst, takeClaims } from './claim-file.ts';
import type { ClaimAttempt } from './claim-file.ts';
import { isOurs, newToken, releaseLock } from './lock-file.ts';
import type { Holder } from './lock-file.ts';
import { identify } from './process-identity.ts';

function holder(changes: Partial<Holder> = {}): Holder {
  return {
    ...identify(process.pid),
    token: newToken(),
    since: 1,
    user: 'somebody',
    service: 'media',
    cleanupId: undefined,
    ...changes,
  };
}

function claim(own: readonly string[], above: readonly string[] = []): Claim {
  return { own: new Set(own), above: new Set(above) };
}

async function take(
  directory: string,
  by: Holder,
  ...claims: readonly Claim[]
): Promise<ClaimAttempt> {
  const named = claims.map((one, at) => [`s${at}`, one] as const);
  return await takeClaims(directory, by, new Map(named), new AbortController().signal);
}

const dead = (): Partial<Holder> => ({ pid: spawnSync('true').pid });

test('of two runs with one directory in common the second gets nothing, and is told where', async () => {
  const directory = testFolder();
  const first = holder({ cleanupId: 'cleanup_total_1' });
  const held = await take(directory, first, claim(['a', 'b']), claim(['c'], ['top']));
  expect(held.is).toBe('held');
  const second = holder();
  for (const [claims, service] of [
    [[claim(['x']), claim(['b'])], 's1'],
    [[claim(['top']), claim(['y'])], 's0'],
    [[claim(['x']), claim(['y']), claim(['z'], ['y', 'c'])], 's2'],
  ] as const) {
    const attempt = await take(directory, second, ...claims);
    expect(attempt).toMatchObject({ is: 'locked', by: first, service });
  }
  expect(readdirSync(directory)).toEqual([`${first.token}.lock`]);
  expect((await take(directory, second, claim(['x'], ['top']))).is).toBe('held');
  expect(claimsAgainst(directory, claim(['c']))).toMatchObject([{ holder: first, isAlive: true }]);
  if (held.is === 'held') releaseLock(held.lock);
  expect(claimsAgainst(directory, claim(['c']))).toEqual([]);
  expect((await take(directory, second, claim(['x', 'c']))).is).toBe('held');
  expect(readdirSync(directory)).toEqual([`${second.token}.lock`]);
});

test('who has the token takes other claims in the place of its own, in another process too', async () => {
  const directory = testFolder();
  const first = holder({ cleanupId: 'cleanup_total_1' });
  const earlier = await take(directory, first, claim(['a']));
  const child = { ...first, ...identify(process.ppid), cleanupId: undefined, since: 2 };
  expect((await take(directory, child, claim(['a', 'b']))).is).toBe('held');
  const file = join(directory, `${first.token}.lock`);
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({
    ...child,
    cleanupId: 'cleanup_total_1',
    since: 1,
    own: ['a', 'b'],
    above: [],
  });
  expect(earlier.is === 'held' && isOurs(earlier.lock)).toBe(true);
  expect((await take(directory, holder(), claim(['b']))).is).toBe('locked');
});

test('what dead runs and broken files leave keeps nobody away and is removed', async () => {
  const directory = testFolder();
  const put = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  const stored = (by: Holder): string => JSON.stringify({ ...by, own: ['a'], above: ['a'] });
  put('dead.lock', stored(holder(dead())));
  for (const [at, text] of ['', '{', 'null', '[]', '{"own":["a"]}'].entries()) {
    put(`broken${at}.lock`, text);
  }
  put('taking.lock', JSON.stringify(holder(dead())));
  put('killed.lock.new-1', stored(holder(dead())));
  const old = put('full.lock.new-2', '');
  utimesSync(old, 1, 1);
  const odd = put('odd.lock', JSON.stringify({ ...holder(), own: 'a', above: [1, null] }));
  const unseen = put('unseen.lock', stored(holder({ realm: 'another-boot x', host: 'other' })));
  expect((await take(directory, holder(), claim(['a']))).is, 'of another host').toBe('locked');
  utimesSync(unseen, 1, 1);
  const own = holder();
  expect((await take(directory, own, claim(['a']))).is).toBe('held');
  expect(readdirSync(directory).toSorted()).toEqual([`${own.token}.lock`, 'odd.lock'].toSorted());
  expect(existsSync(odd)).toBe(true);
});

test('who waits for others that compare their claims hears the signal', async () => {
  const directory = testFolder();
  writeFileSync(join(directory, 'taking.lock'), JSON.stringify(holder()));
  const stop = AbortSignal.timeout(50);
  await expect(
    takeClaims(directory, holder(), new Map([['s', claim(['a'])]]), stop),
  ).rejects.toThrow(/timeout/);
  expect(readdirSync(directory)).toEqual(['taking.lock']);
});
