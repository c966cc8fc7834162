/** `--older-than`: what is younger stays, models whole, and the report does not pretend. */
import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { ownStack, type OwnStack } from './support/own-config.ts';
import { entryList, treeHash } from './support/witness.ts';

function age(stack: OwnStack, hours: number, ...names: readonly string[]): void {
  const time = `${hours} hours ago`;
  execFileSync('touch', ['-h', '-d', time, ...names.map((name) => stack.path(name))]);
}

describe('--older-than', () => {
  test('files by their own time, empty directories by theirs', async () => {
    const stack = ownStack();
    stack.config({ directories: ['data'] });
    stack.files('data/old', 'data/new', 'data/a/old', 'data/b/old', 'data/b/new');
    execFileSync('mkdir', [stack.path('data/fresh'), stack.path('data/stale')]);
    age(stack, 48, 'data/old', 'data/a/old', 'data/b/old', 'data/a', 'data/stale');
    const plan = await stack.run(['media', '--older-than', '24h', '--dry-run']);
    expect(plan.stdout).toContain('Stays, younger than 1d: jobs, files and whole models');
    expect(plan.stdout).toContain('Stays, not selected: queue');
    const { code, stdout } = await stack.run(['media', '--yes', '--json', '--older-than', '24h']);
    expect(entryList(stack.path('data'))).toEqual(['b', 'b/new', 'fresh', 'new']);
    expect(code).toBe(0);
    expect(stdout).toContain('(jobs, files, models only, older than 1d): 0 jobs + 3 files');
    expect(JSON.parse(stdout)).toMatchObject({
      status: 'completed',
      older_than_s: 86_400,
      verified: true,
      warnings: ['Data: 2 younger files not removed: --older-than'],
    });
  });

  test('a model goes when all of it is old, and stays whole when something in it is not', async () => {
    const stack = ownStack();
    stack.config({ models: ['models'] });
    const old = ['old/config.json', 'old/deep/weights', 'mixed/config.json', 'single'];
    stack.files(...[...old, 'mixed/deep/weights'].map((name) => `models/${name}`));
    age(stack, 48, ...[...old, 'old', 'old/deep', 'mixed', 'mixed/deep'].map((n) => `models/${n}`));
    const before = treeHash(stack.path('models/mixed'));
    const { code, stdout } = await stack.run(['media', '--yes', '--json', '--older-than', '24h']);
    expect(entryList(stack.path('models'))).toEqual([
      ...['mixed', 'mixed/config.json', 'mixed/deep', 'mixed/deep/weights'],
    ]);
    expect(treeHash(stack.path('models/mixed'))).toBe(before);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ models_deleted: 3, verified: true });
    const plan = await stack.run(['media', '--json', '--older-than', '24h', '--dry-run']);
    expect(JSON.parse(plan.stdout)).toMatchObject({ models_deleted: 0 });
  });

  test('does not know the age of messages', async () => {
    const stack = ownStack();
    stack.config({ directories: ['data'] });
    const args = ['media', '--yes', '--older-than', '1h', '--only', 'queue'];
    const { code, stderr } = await stack.run(args);
    expect(code).toBe(2);
    expect(stderr).toContain('--older-than knows no age of queued tasks');
  });
});
