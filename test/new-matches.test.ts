/** Directories and links that a pattern matches only after the run began. */
import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ownStack, type OwnStack } from './support/own-config.ts';
import { startOnTerminal } from './support/terminal.ts';
import { startTool } from './support/tool.ts';
import { until } from './support/until.ts';
import { treeHash } from './support/witness.ts';

function stackOf(entry: object): OwnStack {
  const stack = ownStack();
  stack.config({ root: 'svc', directories: [entry] });
  stack.files('svc/jobs/1/tmp/.marker', 'svc/jobs/1/tmp/old', 'victim/tmp/.marker', 'victim/tmp/x');
  return stack;
}

/** What happens when the first files are gone, and is still looked for. */
async function duringTheWipe(
  stack: OwnStack,
  action: () => void,
): Promise<{ code: number | null; report: { verified: boolean; errors: string[] } }> {
  const run = startTool(['media', '--yes', '--json', '--verify-for', '2s'], {
    folder: stack.folder,
  });
  run.endInput();
  await until('the first file is gone', () => !existsSync(stack.path('svc/jobs/1/tmp/old')));
  action();
  const { code, stdout } = await run.result;
  return { code, report: JSON.parse(stdout) as { verified: boolean; errors: string[] } };
}

test('a new directory is emptied when it comes while the question stands', async () => {
  const stack = stackOf({ path: 'jobs/*/tmp' });
  const { folder } = stack;
  const terminal = startOnTerminal(['media'], { folder });
  await terminal.waitForScreen('Type "media" to');
  stack.files('svc/jobs/2/tmp/new', 'svc/jobs/2/stays');
  terminal.write('media\n');
  const { code } = await terminal.result;
  expect(existsSync(stack.path('svc/jobs/2/tmp/new'))).toBe(false);
  expect(existsSync(stack.path('svc/jobs/2/tmp'))).toBe(true);
  expect(existsSync(stack.path('svc/jobs/2/stays'))).toBe(true);
  expect(code).toBe(0);
});

describe('while the wipe runs', () => {
  test('a new directory is emptied', async () => {
    const stack = stackOf({ path: 'jobs/*/tmp' });
    const { code, report } = await duringTheWipe(stack, () => {
      stack.files('svc/jobs/2/tmp/new');
    });
    expect(existsSync(stack.path('svc/jobs/2/tmp/new'))).toBe(false);
    expect([code, report.verified]).toEqual([0, true]);
  });

  test('one that a guard refuses stays, is named, and nothing is verified', async () => {
    const stack = stackOf({ path: 'jobs/*/tmp', marker: '.marker' });
    const { code, report } = await duringTheWipe(stack, () => {
      stack.files('svc/jobs/2/tmp/new');
    });
    expect(existsSync(stack.path('svc/jobs/2/tmp/new'))).toBe(true);
    expect([code, report.verified]).toEqual([1, false]);
    expect(report.errors).toEqual([
      expect.stringMatching(/svc\/jobs\/2\/tmp.*marker file \.marker/),
    ]);
  });

  test('a link is not followed, is named, and nothing is verified', async () => {
    const stack = stackOf({ path: 'jobs/*/tmp' });
    const victim = treeHash(stack.path('victim'));
    const { code, report } = await duringTheWipe(stack, () => {
      symlinkSync('../../victim', stack.path('svc/jobs/x'));
    });
    expect(treeHash(stack.path('victim'))).toBe(victim);
    expect([code, report.verified]).toEqual([1, false]);
    expect(report.errors).toEqual([expect.stringMatching(/svc\/jobs\/x\/tmp: .*victim\/tmp/)]);
  });
});

test('a link that was there at the start is named in plan and report', async () => {
  const stack = stackOf({ path: 'jobs/*/tmp' });
  symlinkSync('../../victim', stack.path('svc/jobs/x'));
  const victim = treeHash(stack.path('victim'));
  const plan = await stack.run(['media', '--dry-run']);
  expect(plan.code).toBe(1);
  expect(plan.stdout + plan.stderr).toMatch(/jobs\/x\/tmp/);
  const { code, service } = await stack.wipe();
  expect(treeHash(stack.path('victim'))).toBe(victim);
  expect(code).toBe(1);
  expect(service).toMatchObject({ verified: false });
});

test('a link to a directory that is emptied by itself is no failure', async () => {
  const stack = stackOf({ path: 'jobs/*/tmp' });
  symlinkSync('1', stack.path('svc/jobs/latest'));
  mkdirSync(stack.path('svc/jobs/empty'));
  const { code, service } = await stack.wipe();
  expect(code).toBe(0);
  expect(service).toMatchObject({ verified: true, files_deleted: 2 });
});
