import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { testFolder } from './folder.ts';
import { requireOrSkip } from './requirements.ts';
import { runTool, startTool, toolEnvironment } from './tool.ts';

const version = {
  code: 0,
  signal: null,
  stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) as string,
};

test('the environment is the same on every machine', () => {
  expect(Object.keys(toolEnvironment('/folder')).toSorted()).toEqual([
    'HOME',
    'PATH',
    'XDG_STATE_HOME',
  ]);
});

test('runs the built command, in an empty environment and from / too', async () => {
  const folder = testFolder();
  expect(await runTool(['--version'], { folder })).toMatchObject(version);
  expect(await runTool(['--version'], { folder, env: {}, cwd: '/' })).toMatchObject(version);
  expect(await startTool(['--version'], { folder }).result).toMatchObject(version);
});

describe.skipIf(!requireOrSkip('root', 'mount'))('as another user', () => {
  test('runs with a home of its own', async () => {
    const folder = testFolder();
    mkdirSync(join(folder, 'home'));
    const user = { uid: 65534, gid: 65534 };
    expect(await runTool(['--version'], { folder, user })).toMatchObject(version);
  });
});
