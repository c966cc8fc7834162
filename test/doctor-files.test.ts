/** What doctor says of directories: whatever would refuse a wipe or make it fail. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ownStack, type OwnStack } from './support/own-config.ts';
import { requireOrSkip } from './support/requirements.ts';
import type { ToolOptions } from './support/tool.ts';
import { treeHash } from './support/witness.ts';

interface Check {
  readonly check: string;
  readonly status: string;
  readonly message: string;
  readonly hint: string;
}

async function diagnosed(stack: OwnStack, options: Partial<ToolOptions> = {}) {
  // The tests' own.
  mkdirSync(stack.path('home'), { recursive: true });
  const before = treeHash(stack.folder, 'home');
  const { code, stdout, stderr } = await stack.run(['doctor', '--json'], options);
  expect(treeHash(stack.folder, 'home'), stderr).toBe(before);
  const { services } = JSON.parse(stdout) as {
    readonly services: Readonly<Record<string, { readonly checks: readonly Check[] }>>;
  };
  const checks = services['media']?.checks.filter(({ check }) => check === 'files') ?? [];
  return { code, checks: checks.map(({ status, message }) => `${status}: ${message}`) };
}

describe('doctor', () => {
  test('counts what is there when all is well', async () => {
    const stack = ownStack();
    stack.config({ directories: ['data', 'more'], models: ['models'] });
    stack.files('data/one', 'more/deep/two', 'models/base/weights');
    const { code, checks } = await diagnosed(stack);
    expect(code).toBe(0);
    expect(checks).toEqual([
      expect.stringMatching(/^ok: 3 directories: 2 files, 1 model, 0\.0\d MB$/),
    ]);
  });

  test('names what a guard refuses, and does not look into it', async () => {
    const stack = ownStack();
    stack.config({
      directories: [
        { path: 'data', marker: '.here' },
        { path: 'up', mustBeMounted: true },
      ],
    });
    stack.files('data/one', 'up/one');
    const { code, checks } = await diagnosed(stack);
    expect(code).toBe(1);
    expect(checks.toSorted()).toEqual([
      expect.stringMatching(/^problem: Refusing to empty .*data for media: .*\.here/),
      expect.stringMatching(/^problem: Refusing to empty .*up for media: mustBeMounted is set/),
    ]);
  });

  test('names a file instead of a directory, a missing one and a pattern without a match', async () => {
    const stack = ownStack();
    stack.config({ directories: ['missing', 'none-*'], models: ['models'] });
    mkdirSync(stack.path('models'));
    const { code, checks } = await diagnosed(stack);
    expect(code).toBe(0);
    expect(checks.map((line) => line.split(':')[0])).toEqual(['ok', 'warning', 'warning']);
    expect(checks.join('\n')).toMatch(/missing/i);
    expect(checks.join('\n')).toContain('none-*');
  });

  test.skipIf(!requireOrSkip('root', 'mount'))(
    'names what this user cannot empty, and mounts below',
    async () => {
      const stack = ownStack();
      stack.config({ directories: ['data'] });
      stack.files('data/theirs/one', 'data/mount/point', 'disk/other');
      execFileSync('chmod', ['a+rx', stack.folder]);
      const { code, checks } = await diagnosed(stack, {
        user: { uid: 65534, gid: 65534 },
        mounts: [{ kind: 'bind', at: stack.path('data/mount'), from: stack.path('disk') }],
      });
      expect(code).toBe(1);
      expect(checks).toEqual([
        expect.stringMatching(/^ok: 1 directory: 1 file, /),
        expect.stringMatching(/^problem: Data\/mount: Is a mount point/),
        expect.stringMatching(/^problem: Data.* cannot be emptied by this user .*: sudo|sudo/),
      ]);
    },
  );
});
