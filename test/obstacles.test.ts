/** What this user will not be able to empty is said in the plan, with the command that helps. */
import { execFileSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ownStack, type OwnStack } from './support/own-config.ts';
import { requireOrSkip } from './support/requirements.ts';
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
      'Data/theirs and 1 more directories cannot be emptied by this user (user 65534; it belongs to root): Permission denied; ' +
        'run: sudo media-cleanup media, or, if its container made it: docker compose exec -u root media chown -R 65534 <the directory in the container>',
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
    expect(warning).toContain('Data/closed cannot be emptied by this user (its own)');
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
    expect(warning).toContain('Read-only file system; mount it read-write');
  });

  test.skipIf(!requireOrSkip('chattr'))('an immutable directory, to root as well', async () => {
    const stack = ownStack();
    stack.config({ directories: ['data'] });
    stack.files('data/locked/file');
    execFileSync('chattr', ['+i', stack.path('data/locked')]);
    const [warning] = await planned(stack);
    expect(warning).toContain(`run: chattr -R -i -a '${stack.path('data')}'`);
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
