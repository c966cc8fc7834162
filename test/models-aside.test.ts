/** A model is renamed aside before anything of it is deleted, and finished by the next run. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ownStack } from './support/own-config.ts';
import { requireOrSkip } from './support/requirements.ts';
import { mutantTool } from './support/tool.ts';
import { testFolder } from './support/folder.ts';
import { entryList } from './support/witness.ts';

const ASIDE = '.media-cleanup-aside.';

test('what lies aside from a run before goes, whatever its age and beside one of its name', async () => {
  const stack = ownStack();
  stack.config({ models: ['models'] });
  stack.files(`models/${ASIDE}base/rest`, 'models/base/config', 'models/base/weights');
  const args = ['media', '--yes', '--json', '--older-than', '1h'];
  execFileSync('touch', ['-d', '2 hours ago', stack.path('models/base/config')]);
  const first = await stack.run(args);
  expect(entryList(stack.path('models'))).toEqual(['base', 'base/config', 'base/weights']);
  expect(first.code).toBe(0);
  stack.files(`models/${ASIDE}base/rest`);
  const { code, service } = await stack.wipe();
  expect(entryList(stack.path('models'))).toEqual([]);
  expect({ code, models: service['models_deleted'] }).toEqual({ code: 0, models: 3 });
});

test('a model in which something is kept stays where it is, and the kept with it', async () => {
  const stack = ownStack();
  stack.config({ models: [{ path: 'models', keep: ['*.license'] }] });
  stack.files('models/base/weights', 'models/base/in/a.license', 'models/other/weights');
  const { code } = await stack.wipe();
  expect(entryList(stack.path('models'))).toEqual(['base', 'base/in', 'base/in/a.license']);
  expect(code).toBe(0);
});

describe.skipIf(!requireOrSkip('chattr'))('a model that cannot go', () => {
  test('lies aside, and is told by its own name and where it is', async () => {
    const stack = ownStack();
    stack.config({ models: ['models'] });
    stack.files('models/base/weights', 'models/base/stuck', 'models/other/weights');
    execFileSync('chattr', ['+i', stack.path('models/base/stuck')]);
    const { code, service } = await stack.wipe();
    expect(code).toBe(1);
    expect(entryList(stack.path('models'))).toEqual([`${ASIDE}base`, `${ASIDE}base/stuck`]);
    expect(service['errors']).toEqual(['Models/base/stuck: Operation not permitted']);
    expect(JSON.stringify(service['failures'])).toContain(
      `it lies in Models/${ASIDE}base/stuck now`,
    );
    execFileSync('chattr', ['-i', stack.path('models', `${ASIDE}base`, 'stuck')]);
    expect((await stack.wipe()).code).toBe(0);
    expect(entryList(stack.path('models'))).toEqual([]);
  });
});

test('while it is deleted, nothing is left under its own name', async () => {
  const stack = ownStack();
  stack.config({ models: ['models'] });
  mkdirSync(stack.path('models/base'), { recursive: true });
  execFileSync('bash', ['-c', 'seq 3000 | xargs touch'], { cwd: stack.path('models/base') });
  // Stops for good after the first file, as a kill would.
  const broken = mutantTool(testFolder(), [
    [
      'unlinkSync(name);\n          removed(',
      'unlinkSync(name); process.kill(process.pid, 9);\n          removed(',
    ],
  ]);
  await stack.run(['media', '--yes', '--concurrency', '1'], { tool: broken });
  const left = entryList(stack.path('models'));
  expect(left.length).toBe(3000);
  expect(left.filter((name) => !name.startsWith(`${ASIDE}base`))).toEqual([]);
  expect((await stack.wipe()).service).toMatchObject({ models_deleted: 2999, verified: true });
  expect(entryList(stack.path('models'))).toEqual([]);
});
