/**
 * Directories that cannot be emptied: each its own clear line and remedy, the siblings go, the rest
 * is unaffected; and `--strict` refuses what can be known before.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { makeFiles, wipeJson, writeConfig, type JsonResult } from './support/config-file.ts';
import type { ToolOptions } from './support/tool.ts';
import { testFolder } from './support/folder.ts';
import { requireOrSkip } from './support/requirements.ts';
import { fileList, treeHash } from './support/witness.ts';

const NOBODY = { uid: 65534, gid: 65534 };
const OWNER_HINT = 'run as the owner (chmod u+rwx its directory) or with sudo';

/** `uploads` to be made difficult, and `temp` with 2 files, which always goes. */
function scene(more: object = {}): { folder: string; config: string } {
  const folder = testFolder();
  makeFiles(join(folder, 'uploads'), 3);
  makeFiles(join(folder, 'temp'), 2);
  const config = writeConfig(folder, {
    service: { root: '..', directories: ['uploads', 'temp'], ...more },
  });
  return { folder, config };
}

function ownedByNobody(folder: string, ...paths: string[]): void {
  for (const path of paths) {
    execFileSync('chown', ['-R', '65534:65534', join(folder, path)], { stdio: 'pipe' });
  }
}

async function expectErrors(
  { folder, config }: { folder: string; config: string },
  options: Partial<ToolOptions>,
  errors: readonly string[],
  hint: string,
): Promise<JsonResult> {
  const result = await wipeJson(config, { folder, ...options });
  expect(result.report.errors.toSorted()).toEqual(errors.toSorted());
  for (const failure of result.report.services['service']?.failures ?? []) {
    expect(failure.hint).toBe(hint);
  }
  for (const error of errors) expect(result.stderr).toContain(`- ERROR - ${error}\n`);
  expect(result.code).toBe(1);
  expect(result.report).toMatchObject({ status: 'completed_with_errors', verified: false });
  expect(fileList(join(folder, 'temp'))).toEqual([]);
  return result;
}

async function expectStrict(
  { folder, config }: { folder: string; config: string },
  options: Partial<ToolOptions>,
  message: string,
): Promise<void> {
  // What confines and the tool's own HOME come first, so that they are no change.
  await wipeJson(config, { folder, ...options }, '--dry-run');
  const before = treeHash(folder, 'home');
  const result = await wipeJson(config, { folder, ...options }, '--strict');
  expect(result.code).toBe(3);
  expect(result.report.status).toBe('refused');
  expect(result.report.error?.problems).toEqual([{ path: 'service', message }]);
  expect(result.stderr).toContain(`Refusing to start because of --strict:\nservice: ${message}\n`);
  expect(treeHash(folder, 'home')).toBe(before);
}

describe('what is not there', () => {
  test('a missing directory is a warning', async () => {
    const { folder, config } = scene({ directories: ['uploads', 'temp', 'gone'] });
    await expectStrict(
      { folder, config },
      {},
      `${folder}/gone: No such file or directory (create it)`,
    );
    const { code, report } = await wipeJson(config, { folder });
    expect(code).toBe(0);
    expect(report).toMatchObject({ status: 'completed', files_deleted: 5, errors: [] });
    expect(report.warnings).toEqual([
      `${folder}/gone does not exist: nothing to remove there; if that is wrong, correct the config; if it may be absent, write { "path": …, "optional": true }`,
    ]);
  });

  test('a missing root is an error', async () => {
    const { folder, config } = scene({ root: '../services/none' });
    const result = await wipeJson(config, { folder });
    expect(result.code).toBe(1);
    expect(result.report.errors).toEqual([
      `Root/service: No such directory: ${folder}/services/none`,
    ]);
    expect(result.report.services['service']?.failures[0]?.hint).toBe(
      'correct "root" of service in the config, or mount it',
    );
    expect(result.report).toMatchObject({ verified: false, warnings: [] });
    expect(fileList(join(folder, 'uploads'))).toHaveLength(3);
  });
});

describe.skipIf(!requireOrSkip('root', 'mount'))('what --strict finds below', () => {
  test('a subdirectory that this user may not write', async () => {
    const at = scene();
    mkdirSync(join(at.folder, 'uploads/closed'));
    writeFileSync(join(at.folder, 'uploads/closed/file'), 'x');
    ownedByNobody(at.folder, 'uploads', 'temp');
    chownSync(join(at.folder, 'uploads/closed'), 0, 0);
    const message = `Uploads/closed: Permission denied (${OWNER_HINT})`;
    await expectStrict(at, { user: NOBODY }, message);
  });

  test.skipIf(!requireOrSkip('chattr'))('an immutable file', async () => {
    const at = scene();
    execFileSync('chattr', ['+i', join(at.folder, 'uploads/file-1.mp3')]);
    const hint = 'look at lsattr: chattr -i / -a, or a sticky directory';
    await expectStrict(at, {}, `Uploads/file-1.mp3: Operation not permitted (${hint})`);
  });
});

describe.skipIf(!requireOrSkip('root', 'mount'))('a pattern', () => {
  test('with a directory on its way that may not be read', async () => {
    const at = scene({ directories: ['*/cache'] });
    makeFiles(join(at.folder, 'a/cache'), 2);
    makeFiles(join(at.folder, 'b/cache'), 2);
    ownedByNobody(at.folder, 'a');
    chmodSync(join(at.folder, 'b'), 0o700);
    const user = { user: NOBODY };
    await expectStrict(at, user, `Pattern/*/cache: Permission denied (${OWNER_HINT})`);
    const { code, report } = await wipeJson(at.config, { folder: at.folder, ...user });
    expect(code).toBe(1);
    expect(report).toMatchObject({ verified: false, files_deleted: 2 });
    expect(report.errors).toEqual(['Pattern/*/cache: Permission denied']);
    expect(fileList(join(at.folder, 'b'))).toHaveLength(2);
  });
});

describe.skipIf(!requireOrSkip('root', 'mount'))('permissions', () => {
  test('a directory that another user may not read', async () => {
    const at = scene();
    ownedByNobody(at.folder, 'temp');
    chmodSync(join(at.folder, 'uploads'), 0o700);
    await expectStrict(at, { user: NOBODY }, `Uploads/.: Permission denied (${OWNER_HINT})`);
    await expectErrors(at, { user: NOBODY }, ['Uploads/.: Permission denied'], OWNER_HINT);
    expect(fileList(join(at.folder, 'uploads'))).toHaveLength(3);
  });

  test("the contract's line: files in a directory that another user may not write", async () => {
    const at = scene();
    ownedByNobody(at.folder, 'temp');
    writeFileSync(join(at.folder, 'uploads/file123.mp3'), '');
    for (const name of ['file-0.mp3', 'file-1.mp3', 'file-2.mp3']) {
      execFileSync('rm', [join(at.folder, 'uploads', name)]);
    }
    await expectStrict(
      at,
      { user: NOBODY },
      `${at.folder}/uploads: Permission denied (${OWNER_HINT})`,
    );
    const user = { user: NOBODY };
    await expectErrors(at, user, ['Uploads/file123.mp3: Permission denied'], OWNER_HINT);
  });

  test('closed subdirectories of another user: what can go goes', async () => {
    const at = scene();
    ownedByNobody(at.folder, 'temp', 'uploads');
    for (const name of ['unreadable', 'unwritable', 'empty']) {
      makeFiles(join(at.folder, 'uploads', name), name === 'empty' ? 0 : 1);
    }
    chmodSync(join(at.folder, 'uploads/unreadable'), 0o700);
    chmodSync(join(at.folder, 'uploads/empty'), 0o700);
    const errors = [
      'Uploads/unreadable: Permission denied',
      'Uploads/unwritable/file-0.mp3: Permission denied',
    ];
    const { report } = await expectErrors(at, { user: NOBODY }, errors, OWNER_HINT);
    expect(report.files_deleted).toBe(5);
    expect(fileList(join(at.folder, 'uploads'))).toHaveLength(2);
  });

  test("another user's files in a sticky directory", async () => {
    const at = scene();
    ownedByNobody(at.folder, 'temp');
    chmodSync(join(at.folder, 'uploads'), 0o1777);
    chownSync(join(at.folder, 'uploads/file-1.mp3'), NOBODY.uid, NOBODY.gid);
    const { report } = await expectErrors(
      at,
      { user: NOBODY },
      [
        'Uploads/file-0.mp3: Operation not permitted',
        'Uploads/file-2.mp3: Operation not permitted',
      ],
      'look at lsattr: chattr -i / -a, or a sticky directory',
    );
    expect(report.files_deleted).toBe(3);
  });
});

describe.skipIf(!requireOrSkip('chattr', 'mount'))('what even root cannot remove', () => {
  const hint = 'look at lsattr: chattr -i / -a, or a sticky directory';

  test('an immutable file among others, at depth', async () => {
    const at = scene();
    makeFiles(join(at.folder, 'uploads/deep'), 2);
    writeFileSync(join(at.folder, 'uploads/file123.mp3'), '');
    const closed = ['uploads/file123.mp3', 'uploads/deep/file-1.mp3'];
    for (const name of closed) execFileSync('chattr', ['+i', join(at.folder, name)]);
    const errors = [
      'Uploads/file123.mp3: Operation not permitted',
      'Uploads/deep/file-1.mp3: Operation not permitted',
    ];
    const { report } = await expectErrors(at, {}, errors, hint);
    expect(report.files_deleted).toBe(6);
    expect(report.services['service']?.remaining['files']).toBe(2);
  });

  test('an append-only directory', async () => {
    const at = scene();
    execFileSync('chattr', ['+a', join(at.folder, 'uploads')]);
    const errors = [0, 1, 2].map((name) => `Uploads/file-${name}.mp3: Operation not permitted`);
    await expectErrors(at, {}, errors, hint);
  });

  test('an immutable directory, which --strict knows before', async () => {
    const at = scene();
    execFileSync('chattr', ['+i', join(at.folder, 'uploads')]);
    await expectStrict(at, {}, `${at.folder}/uploads: Operation not permitted (${hint})`);
    const errors = [0, 1, 2].map((name) => `Uploads/file-${name}.mp3: Operation not permitted`);
    await expectErrors(at, {}, errors, hint);
  });

  test('more than 100 failures are 100 lines and a count', async () => {
    const at = scene();
    for (let index = 0; index < 130; index += 1) {
      writeFileSync(join(at.folder, `uploads/more-${index}`), '');
    }
    execFileSync('chattr', ['+i', join(at.folder, 'uploads')]);
    const { report, code } = await wipeJson(at.config, { folder: at.folder });
    expect(code).toBe(1);
    expect(report.errors).toHaveLength(101);
    expect(report.errors[100]).toBe('… and 33 more errors');
    expect(report.services['service']?.errors).toEqual(report.errors);
    expect(report.services['service']?.failures).toHaveLength(100);
    expect(report.message).toContain('133 errors, 133 left');
  });
});

describe.skipIf(!requireOrSkip('root', 'mount'))('file systems', () => {
  test('a read-only mount', async () => {
    const at = scene();
    makeFiles(join(at.folder, 'source'), 2);
    const uploads = join(at.folder, 'uploads');
    const mounts = [
      { kind: 'bind-read-only', at: uploads, from: join(at.folder, 'source') },
    ] as const;
    await expectStrict(at, { mounts }, `${uploads}: Read-only file system (remount it read-write)`);
    const errors = [0, 1].map((name) => `Uploads/file-${name}.mp3: Read-only file system`);
    await expectErrors(at, { mounts }, errors, 'remount it read-write');
  });

  test.each([
    ['0 bytes free', 'cat /dev/zero > uploads/big 2>/dev/null || true; ! echo x > uploads/more'],
    ['0 inodes free', 'while : > uploads/$RANDOM$RANDOM; do :; done 2>/dev/null; true'],
  ])('a full file system with %s is emptied', async (_, fill) => {
    const at = scene();
    const { code, report } = await wipeJson(at.config, {
      folder: at.folder,
      mounts: [{ kind: 'tmpfs', at: join(at.folder, 'uploads'), size: '1m', inodes: 64 }],
      prepare: `${fill}; df --output=avail,iavail uploads | tail -1 | grep -qE '(^| )0( |$)'`,
    });
    expect(report.errors).toEqual([]);
    expect(report.verified).toBe(true);
    expect(report.files_deleted).toBeGreaterThan(2);
    expect(code).toBe(0);
  });

  test('a mount below stays, and nothing vouches for it', async () => {
    const at = scene();
    mkdirSync(join(at.folder, 'uploads/disk'));
    const { code, report } = await wipeJson(at.config, {
      folder: at.folder,
      mounts: [{ kind: 'tmpfs', at: join(at.folder, 'uploads/disk'), size: '1m' }],
      prepare: 'echo precious > uploads/disk/precious',
    });
    const errors = ['Uploads/disk: Is a mount point: not entered, not removed'];
    expect(report).toMatchObject({ files_deleted: 5, errors, verified: false });
    expect(code).toBe(1);
  });
});
