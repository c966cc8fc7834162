/** A disk that fails while it is emptied: each fault its own line, everything else goes, and it ends. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { wipeJson, writeConfig, type JsonResult } from './support/config-file.ts';
import { faultyDisk } from './support/faulty-fs.ts';
import { testFolder } from './support/folder.ts';
import { requireOrSkip } from './support/requirements.ts';
import { entryList } from './support/witness.ts';

const SIBLINGS = ['a.mp3', 'sub/b.mp3', 'sub/deep/c.mp3', 'z.mp3'];
/** For a tool that takes half a second: an endless loop would not end at all. */
const BOUND_MS = 15_000;

interface Wiped extends JsonResult {
  /** What is left in Data, as find shows it without the faults. */
  readonly left: readonly string[];
}

/** Wipes `Data` with the siblings and `names`; one that ends with a slash is an empty directory. */
async function wipeFaulty(...names: readonly string[]): Promise<Wiped> {
  const folder = testFolder();
  const { backing } = await faultyDisk(folder);
  const data = join(backing, 'data');
  for (const name of [...SIBLINGS, ...names]) {
    const path = join(data, name);
    mkdirSync(name.endsWith('/') ? path : dirname(path), { recursive: true });
    if (!name.endsWith('/')) writeFileSync(path, 'x');
  }
  const config = writeConfig(folder, { service: { root: '..', directories: ['disk/data'] } });
  const result = await wipeJson(config, { folder, timeout: 2 * BOUND_MS });
  expect(result.signal).toBeNull();
  expect(result.durationMs).toBeLessThan(BOUND_MS);
  return { ...result, left: entryList(data) };
}

function expectOneError(
  { code, stderr, report }: Wiped,
  error: string,
  failure: { readonly code: string; readonly hint: string },
): void {
  expect(report.errors).toEqual([error]);
  expect(stderr.split('\n').filter((line) => line.endsWith(` - ERROR - ${error}`))).toHaveLength(1);
  expect(report.services['service']?.failures).toEqual([expect.objectContaining(failure)]);
  expect(report).toMatchObject({ status: 'completed_with_errors', verified: false });
  expect(report.warnings.filter((warning) => warning.includes('mount point'))).toEqual([]);
  expect(code).toBe(1);
}

describe.skipIf(!requireOrSkip('fuse', 'mount'))('a disk that fails', () => {
  test.each([
    {
      item: 'eio-1.mp3',
      code: 'EIO',
      reason: 'Input/output error',
      hint: 'look at dmesg: the disk or the network mount fails',
    },
    {
      item: 'sub/deep/eio-1.mp3',
      code: 'EIO',
      reason: 'Input/output error',
      hint: 'look at dmesg: the disk or the network mount fails',
    },
    {
      item: 'estale-1.mp3',
      code: 'ESTALE',
      reason: 'Stale file handle',
      hint: 'mount the network file system again',
    },
    {
      item: 'busy-1.mp3',
      code: 'EBUSY',
      reason: 'Device or resource busy',
      hint: 'a mount point or swap file is in use here: unmount it or stop its user, then run again',
    },
  ])('at $item with $code: its siblings go', async ({ item, reason, ...failure }) => {
    const wiped = await wipeFaulty(item);
    expectOneError(wiped, `Data/${item}: ${reason}`, { ...failure });
    expect(wiped.left.at(-1)).toBe(item);
    expect(wiped.left).toHaveLength(item.split('/').length);
    expect(wiped.report.files_deleted).toBe(SIBLINGS.length);
  });

  test('a directory whose names cannot be read', async () => {
    const wiped = await wipeFaulty('eio-list-1/inside.mp3');
    expectOneError(wiped, 'Data/eio-list-1: Input/output error', {
      code: 'EIO',
      hint: 'look at dmesg: the disk or the network mount fails',
    });
    expect(wiped.left).toEqual(['eio-list-1', 'eio-list-1/inside.mp3']);
    expect(wiped.report.files_deleted).toBe(SIBLINGS.length);
  });

  test('several faults are several lines', async () => {
    const { report, code, left } = await wipeFaulty('eio-1', 'sub/estale-1', 'eio-list-1/');
    expect(report.errors.toSorted()).toEqual([
      'Data/eio-1: Input/output error',
      'Data/eio-list-1: Input/output error',
      'Data/sub/estale-1: Stale file handle',
    ]);
    expect(left).toEqual(['eio-1', 'eio-list-1', 'sub', 'sub/estale-1']);
    expect(code).toBe(1);
  });

  test('a listing that does not say what its names are', async () => {
    const { report, code, left } = await wipeFaulty('untyped-1/file', 'untyped-1/sub/file');
    expect(left).toEqual([]);
    expect(report).toMatchObject({ files_deleted: SIBLINGS.length + 2, errors: [], warnings: [] });
    expect(code).toBe(0);
  });
});

describe.skipIf(!requireOrSkip('fuse', 'mount'))(
  'a directory that is written into meanwhile',
  () => {
    test('goes when the writer stops in time', async () => {
      const { report, code, left } = await wipeFaulty('refill-2-x/file');
      expect(left).toEqual([]);
      expect(report).toMatchObject({
        files_deleted: SIBLINGS.length + 3,
        errors: [],
        verified: true,
      });
      expect(code).toBe(0);
    });

    test('is one error when the writer never stops', async () => {
      const wiped = await wipeFaulty('refill-endless-x/file');
      expectOneError(wiped, 'Data/refill-endless-x: Directory not empty', {
        code: 'ENOTEMPTY',
        hint: 'something still writes into it: stop the service, then run again',
      });
      expect(wiped.left.filter((name) => !name.startsWith('refill-endless-x'))).toEqual([]);
    });
  },
);

describe.skipIf(!requireOrSkip('fuse', 'mount'))('NFS: a file that is open', () => {
  /** They go by themselves when they are closed: nothing to do, but nothing to keep quiet about. */
  function expectPending({ report, code }: Wiped, ...items: readonly string[]): void {
    expect(report.errors).toEqual([]);
    for (const item of items) {
      expect(report.warnings).toContainEqual(
        expect.stringMatching(new RegExp(`${item.replaceAll('.', '\\.')}.*held by an NFS client`)),
      );
    }
    expect(report.warnings.filter((warning) => warning.includes('mount point'))).toEqual([]);
    expect(report.status).toBe('completed');
    expect(code).toBe(0);
  }

  test('left from before is pending and no error', async () => {
    const name = '.nfs000000000001e24000000007';
    const wiped = await wipeFaulty(name);
    expectPending(wiped, `Data/${name}`);
    expect(wiped.left).toEqual([name]);
    expect(wiped.report.files_deleted).toBe(SIBLINGS.length);
  });

  test('renamed by its deletion counts as deleted and is pending', async () => {
    const wiped = await wipeFaulty('held-1.mp3');
    expectPending(wiped, 'Data/.nfs0000000000000001');
    expect(wiped.left).toEqual(['.nfs0000000000000001']);
    expect(wiped.report.files_deleted).toBe(SIBLINGS.length + 1);
  });

  test('in a subdirectory keeps that one, which is no error either', async () => {
    const wiped = await wipeFaulty('sub/deep/held-1.mp3', 'sub/held-2.mp3');
    expectPending(wiped, 'Data/sub/.nfs', 'Data/sub/deep/.nfs');
    expect(wiped.left.filter((name) => !name.includes('.nfs'))).toEqual(['sub', 'sub/deep']);
    expect(wiped.left).toHaveLength(4);
  });

  test('beside a real error: one error, and exit 1', async () => {
    const { report, code } = await wipeFaulty('held-1.mp3', 'eio-1.mp3');
    expect(report.errors).toEqual(['Data/eio-1.mp3: Input/output error']);
    expect(report.warnings).toContainEqual(expect.stringContaining('held by an NFS client'));
    expect(code).toBe(1);
  });
});
