import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testFolder } from '../../test/support/folder.ts';
import { locateDirectories } from '../files/resolve.ts';
import type { Observer } from '../report/observer.ts';
import { closeServices, openServices } from './open-services.ts';
import { verifyService } from './verify-service.ts';
import type { Verdict } from './verify-service.ts';
import { startTally } from './wipe-service.ts';

const QUIET: Observer = { log: () => undefined, progress: () => undefined };

/** Opens a service with `data` and `late` as a wipe does, then looks at it after `meanwhile`. */
async function verdictAfter(folder: string, meanwhile: () => void): Promise<Verdict> {
  const directory = (path: string) => ({ path, mustBeMounted: false, marker: undefined, keep: [] });
  const config = {
    name: 'service',
    redis: undefined,
    keyPrefixes: [],
    celery: undefined,
    root: folder,
    rootConfigured: true,
    directories: [directory('data'), directory('late')],
    models: [],
  };
  const { signal } = new AbortController();
  const located = new Map([['service', await locateDirectories(config)]]);
  const services = await openServices([config], [config], located, ['files'], signal);
  const [service] = services;
  if (service === undefined) throw new Error('nothing was opened');
  try {
    meanwhile();
    return await verifyService(service, ['files'], startTally(service), QUIET, signal);
  } finally {
    closeServices(services);
  }
}

function emptyData(): string {
  const folder = testFolder();
  mkdirSync(join(folder, 'data'));
  return folder;
}

test('empty is verified', async () => {
  const verdict = await verdictAfter(emptyData(), () => undefined);
  expect(verdict).toMatchObject({ verified: true, remaining: { files: 0 } });
});

test.each([
  ['moved away', (data: string) => renameSync(data, `${data}-old`)],
  ['removed', (data: string) => rmSync(data, { recursive: true })],
])('a directory that was %s and made anew is not the one that was looked at', async (_, go) => {
  const folder = emptyData();
  const verdict = await verdictAfter(folder, () => {
    go(join(folder, 'data'));
    mkdirSync(join(folder, 'data'));
    writeFileSync(join(folder, 'data/ghost'), '');
  });
  expect(verdict.verified).toBe(false);
});

test('a directory that was missing and is there now is looked at', async () => {
  const folder = emptyData();
  const verdict = await verdictAfter(folder, () => {
    mkdirSync(join(folder, 'late'));
    writeFileSync(join(folder, 'late/ghost'), '');
  });
  expect(verdict).toMatchObject({ verified: false, remaining: { files: 1 } });
});
