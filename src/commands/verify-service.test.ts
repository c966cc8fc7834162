import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testFolder } from '../../test/support/folder.ts';
import type { ServiceConfig } from '../config/types.ts';
import { locateDirectories } from '../files/resolve.ts';
import type { Observer } from '../report/observer.ts';
import type { Remaining } from '../report/types.ts';
import { createCrew } from './crew.ts';
import { closeServices, openServices } from './open-services.ts';
import { proveService } from './verify-service.ts';
import type { Verdict } from './verify-service.ts';
import { startStep, startTally } from './step.ts';
import { wipeService } from './wipe-service.ts';

const QUIET: Observer = { log: () => undefined, progress: () => undefined };

interface Proof extends Verdict {
  readonly warnings: readonly string[];
  readonly cameBack: Remaining;
  readonly passes: number;
}

/** Opens a service with `data` and `late` as a wipe does, wipes and proves it, with `meanwhile` in between. */
async function verdictAfter(folder: string, meanwhile: () => void): Promise<Proof> {
  const directory = (path: string) => ({
    path,
    mustBeMounted: false,
    marker: undefined,
    keep: [],
    optional: false,
  });
  const config: ServiceConfig = {
    name: 'service',
    redis: undefined,
    keyPrefixes: [],
    jobKeys: 'none',
    indexKeys: [],
    foreignKeyPrefixes: [],
    timeZone: undefined,
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
    const tally = startTally(service);
    const step = startStep(service, tally, QUIET, signal);
    await wipeService(step, ['files']);
    meanwhile();
    const crew = createCrew(step, { kinds: ['files'], cancelRunning: true }, () => undefined);
    const verdict = await proveService(step, crew, ['files'], 0);
    return { ...verdict, warnings: tally.warnings, cameBack: tally.cameBack, passes: tally.pass };
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
  expect(verdict).toMatchObject({ verified: true, remaining: { files: 0 }, passes: 1 });
});

test('what came back is removed, said, and looked for once more', async () => {
  const folder = emptyData();
  const verdict = await verdictAfter(folder, () => {
    writeFileSync(join(folder, 'data/ghost'), '');
  });
  expect(verdict).toMatchObject({ verified: true, cameBack: { files: 1 }, passes: 2 });
  expect(verdict.warnings).toContainEqual(
    expect.stringContaining('came back during the wipe: 1 file, removed again'),
  );
  expect(existsSync(join(folder, 'data/ghost'))).toBe(false);
});

test('who goes on writing is given up after three passes, and what is there is named', async () => {
  const folder = emptyData();
  let timer: NodeJS.Timeout | undefined;
  const started = performance.now();
  const verdict = await verdictAfter(folder, () => {
    let count = 0;
    timer = setInterval(() => {
      count += 1;
      writeFileSync(join(folder, `data/ghost-${count}`), '');
    }, 20);
  });
  clearInterval(timer);
  expect(verdict).toMatchObject({ verified: false, passes: 3 });
  expect(verdict.remaining.files).toBeGreaterThan(0);
  expect(verdict.warnings).toContainEqual(
    expect.stringMatching(/^still there: \d+ files? \(Data\/ghost-\d+/),
  );
  expect(performance.now() - started).toBeLessThan(5_000);
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
