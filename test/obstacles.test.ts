/** What this user will not be able to empty is said in the plan, with the command that helps. */
import { execFileSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ownStack, type OwnStack } from './support/own-config.ts';
import { requireOrSkip } from './support/requirements.ts';
import { entryList } from './support/witness.ts';
import type { ToolOptions } from './support/tool.ts';

const NOBODY = { uid: 65534, gid: 65534 };

async function planned(stack: OwnStack, options: Partial<ToolOptions> = {}) {
  const { code, stdout } = await stack.run(['media', '--dry-run', '--json'], options);
  expect(code).toBe(0);
  return (JSON.parse(stdout) as { readonly warnings: readonly string[] }).warnings;
}

describe.skipIf(!requireOrSkip('root', 'mount'))('the plan tells', () => {
  test('directories that belong to root, with sudo and the container', async () => {
    const stack = ownStack();
    stack.config({ directories: ['data'] });
    stack.files('data/own', 'data/theirs/one', 'data/theirs/deep/two');
    execFileSync('chown', ['-R', '65534:65534', stack.path('data')]);
    execFileSync('chown', ['-R', '0:0', stack.path('data/theirs')]);
    expect(await planned(stack, { user: NOBODY })).toEqual([
      'Data/theirs and 1 more cannot be emptied by this user (user 65534; it belongs to root): Permission denied; ' +
        'run the same command with sudo, its config named with --config, or, if its container made it: docker compose exec -u root media chown -R 65534 <the directory in the container>',
    ]);
    expect(await planned(stack)).toEqual([]);
  });

  test('directories of their own that may not be written', async () => {
    const stack = ownStack();
    stack.config({ directories: ['data'] });
    stack.files('data/closed/file');
    execFileSync('chown', ['-R', '65534:65534', stack.path('data')]);
    chmodSync(stack.path('data/closed'), 0o500);
    const [warning] = await planned(stack, { user: NOBODY });
    expect(warning).toContain('Data/closed cannot be emptied by this user (its owner)');
    expect(warning).toContain(`run: chmod -R u+rwX '${stack.path('data')}'`);
  });

  test('files of others in a sticky directory', async () => {
    const stack = ownStack();
    stack.config({ directories: ['data'] });
    stack.files('data/file');
    chmodSync(stack.path('data'), 0o1777);
    const [warning] = await planned(stack, { user: NOBODY });
    expect(warning).toContain('Data cannot be emptied by this user');
    expect(warning).toContain('Operation not permitted');
  });

  test('a read-only mount', async () => {
    const stack = ownStack();
    stack.config({ directories: ['data'] });
    stack.files('disk/file');
    execFileSync('mkdir', [stack.path('data')]);
    const [warning] = await planned(stack, {
      mounts: [{ kind: 'bind-read-only', at: stack.path('data'), from: stack.path('disk') }],
    });
    expect(warning).toContain(
      `Read-only file system; mount it read-write: mount -o remount,rw '${stack.path('data')}'`,
    );
  });

  test.skipIf(!requireOrSkip('chattr'))('an immutable directory, to root as well', async () => {
    const stack = ownStack();
    stack.config({ directories: ['data'] });
    stack.files('data/locked/file');
    execFileSync('chattr', ['+i', stack.path('data/locked')]);
    const [warning] = await planned(stack);
    expect(warning).toContain(`run: chattr -R -i -a '${stack.path('data')}'`);
  });

  test.skipIf(!requireOrSkip('chattr'))('immutable files, and an empty directory', async () => {
    const stack = ownStack();
    stack.config({ directories: ['data'] });
    stack.files('data/one', 'data/other', 'data/goes');
    execFileSync('mkdir', [stack.path('data/empty')]);
    const stuck = ['one', 'other', 'empty'].map((name) => stack.path('data', name));
    execFileSync('chattr', ['+i', ...stuck]);
    const warnings = await planned(stack);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/^Data\/(one|other) and 2 more cannot be removed by this user/);
    const strict = await stack.run(['media', '--yes', '--strict']);
    expect(strict.code).toBe(3);
    for (const name of ['one', 'other', 'empty']) expect(strict.stderr).toContain(`Data/${name}: `);
    expect(strict.stderr).not.toContain('goes');
    expect(entryList(stack.path('data'))).toHaveLength(4);
  });

  test.skipIf(!requireOrSkip('chattr'))('what its owner cannot make mutable alone', async () => {
    const stack = ownStack();
    stack.config({ directories: ['data'] });
    stack.files('data/locked/file');
    execFileSync('chown', ['-R', '65534:65534', stack.path('data')]);
    execFileSync('chattr', ['+i', stack.path('data/locked')]);
    const [warning] = await planned(stack, { user: NOBODY });
    expect(warning).toContain(`run: sudo chattr -R -i -a '${stack.path('data')}'`);
  });

  test('a file of others behind one of its own in a sticky directory, as --strict does', async () => {
    const stack = ownStack();
    stack.config({ directories: ['data'] });
    stack.files('data/deep/theirs');
    for (let own = 0; own < 20; own += 1) {
      stack.files(`data/deep/own-${own}`);
      execFileSync('chown', ['65534:65534', stack.path(`data/deep/own-${own}`)]);
    }
    chmodSync(stack.path('data'), 0o777);
    chmodSync(stack.path('data/deep'), 0o1777);
    const [warning] = await planned(stack, { user: NOBODY });
    expect(warning).toContain('Data/deep cannot be emptied by this user');
    const strict = await stack.run(['media', '--yes', '--strict'], { user: NOBODY });
    expect([strict.code, strict.stderr]).toEqual([3, expect.stringContaining('Data/deep: ')]);
    expect(entryList(stack.path('data/deep'))).toHaveLength(21);
  });

  test('nothing where all can go, an empty directory of others included', async () => {
    const stack = ownStack();
    stack.config({ directories: ['data'] });
    stack.files('data/file');
    execFileSync('chown', ['-R', '65534:65534', stack.path('data')]);
    execFileSync('mkdir', [stack.path('data/empty')]);
    expect(await planned(stack, { user: NOBODY })).toEqual([]);
  });
});
