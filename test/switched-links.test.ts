/** Links in a configured path that lead elsewhere before the run has ended. */
import { existsSync, symlinkSync, unlinkSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ownStack, type OwnStack } from './support/own-config.ts';
import { startOnTerminal } from './support/terminal.ts';
import { startTool } from './support/tool.ts';
import { until } from './support/until.ts';
import { treeHash } from './support/witness.ts';

const CHANGED = 'A link in its path leads to another place than when the run began';

interface Report {
  readonly verified: boolean;
  readonly errors: readonly string[];
}

function stackOf(service: object): OwnStack {
  const stack = ownStack();
  stack.config(service);
  stack.files('up/old', 'r1/up/old', 'r2/up/new', 'r2/other/new');
  return stack;
}

function link(stack: OwnStack, name: string, target: string): void {
  if (existsSync(stack.path(name))) unlinkSync(stack.path(name));
  symlinkSync(target, stack.path(name));
}

/** What happens when this file is gone, while the proof still looks. */
async function duringTheProof(
  stack: OwnStack,
  file: string,
  action: () => void,
): Promise<{ readonly code: number | null; readonly report: Report }> {
  const { folder } = stack;
  const run = startTool(['media', '--yes', '--json', '--verify-for', '2s'], { folder });
  run.endInput();
  await until('the file is gone', () => !existsSync(stack.path(file)));
  action();
  const { code, stdout } = await run.result;
  return { code, report: JSON.parse(stdout) as Report };
}

test.each([
  { what: 'a configured link', service: { directories: ['cur'] }, from: 'r1/up', to: 'r2/other' },
  { what: 'a link of models', service: { models: ['cur'] }, from: 'r1/up', to: 'r2/other' },
  { what: 'the root', service: { root: 'cur', directories: ['up'] }, from: 'r1', to: 'r2' },
  {
    what: 'a link, with a pattern beside it',
    service: { directories: ['cur', 'u*'] },
    from: 'r1/up',
    to: 'r2/other',
  },
  { what: 'a link to nothing', service: { directories: ['cur'] }, from: 'r1/up', to: 'none' },
])('$what is switched: nothing there is touched, nothing is verified', async (scene) => {
  const stack = stackOf(scene.service);
  link(stack, 'cur', scene.from);
  const before = treeHash(stack.path('r2'));
  const { code, report } = await duringTheProof(stack, 'r1/up/old', () => {
    unlinkSync(stack.path('cur'));
    symlinkSync(scene.to, stack.path('cur'));
  });
  expect(treeHash(stack.path('r2'))).toBe(before);
  expect([code, report.verified]).toEqual([1, false]);
  expect(report.errors).toEqual([expect.stringMatching(new RegExp(`^(Cur|Up)/\\.: ${CHANGED}`))]);
});

test.each(['a link that led to nothing', 'a link where nothing was'])(
  '%s leads to a directory later',
  async (what) => {
    const stack = stackOf({ directories: ['up', { path: 'late', optional: true }] });
    if (what === 'a link that led to nothing') symlinkSync('nowhere', stack.path('late'));
    const before = treeHash(stack.path('r2'));
    const { code, report } = await duringTheProof(stack, 'up/old', () => {
      if (what === 'a link that led to nothing') unlinkSync(stack.path('late'));
      symlinkSync('r2/other', stack.path('late'));
    });
    expect(treeHash(stack.path('r2'))).toBe(before);
    expect([code, report.verified]).toEqual([1, false]);
    expect(report.errors).toEqual([expect.stringContaining(`Late/.: ${CHANGED}`)]);
  },
);

test('a link that is made anew and leads to the same directory is verified', async () => {
  const stack = stackOf({ root: 'cur', directories: ['up'] });
  link(stack, 'cur', 'r1');
  const { code, report } = await duringTheProof(stack, 'r1/up/old', () => {
    link(stack, 'cur', './r1/');
  });
  expect([code, report]).toMatchObject([0, { verified: true, errors: [] }]);
  expect(existsSync(stack.path('r1/up'))).toBe(true);
});

test('a link that is switched while the question stands: neither directory is touched', async () => {
  const stack = stackOf({ root: 'cur', directories: ['up'] });
  link(stack, 'cur', 'r1');
  const before = [treeHash(stack.path('r1')), treeHash(stack.path('r2'))];
  const terminal = startOnTerminal(['media'], { folder: stack.folder });
  await terminal.waitForScreen('Type "media" to');
  link(stack, 'cur', 'r2');
  terminal.write('media\n');
  const { code, stdout } = await terminal.result;
  expect([treeHash(stack.path('r1')), treeHash(stack.path('r2'))]).toEqual(before);
  expect(code).toBe(1);
  expect(stdout).toContain('A link in its path leads');
});
