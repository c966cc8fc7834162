/** `keep` means the names that people gave, whatever a model is called while it is deleted. */
import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { ownStack } from './support/own-config.ts';
import { entryList } from './support/witness.ts';

const ASIDE = '.media-cleanup-aside.';

describe('a model', () => {
  test.each([
    ['hidden names in hidden directories', ['.*/**']],
    ['hidden names', ['.*']],
  ])('goes though %s are kept, for it is hidden only while it goes', async (_, keep) => {
    const stack = ownStack();
    stack.config({ models: [{ path: 'models', keep }] });
    stack.files('models/base/weights', 'models/base/config');
    stack.files(`models/${ASIDE}other/weights`);
    const { code, service } = await stack.wipe();
    expect(entryList(stack.path('models'))).toEqual([]);
    expect([code, service['models_deleted'], service['verified']]).toEqual([0, 3, true]);
  });

  test('that lies aside keeps what a pattern with its own name keeps', async () => {
    const stack = ownStack();
    stack.config({ models: [{ path: 'models', keep: ['base/licence', 'whole/**'] }] });
    stack.files(...['base/licence', 'base/weights', 'whole/w'].map((n) => `models/${ASIDE}${n}`));
    await stack.wipe();
    expect(entryList(stack.path('models'))).toEqual([
      `${ASIDE}base`,
      `${ASIDE}base/licence`,
      `${ASIDE}whole`,
      `${ASIDE}whole/w`,
    ]);
  });

  test('that lies aside is kept by its name with --older-than too', async () => {
    const stack = ownStack();
    stack.config({ models: [{ path: 'models', keep: ['*.precious'] }] });
    stack.files(`models/${ASIDE}base.precious/weights`);
    const weights = stack.path(`models/${ASIDE}base.precious/weights`);
    execFileSync('touch', ['-d', '2 hours ago', weights]);
    await stack.run(['media', '--yes', '--older-than', '1h']);
    expect(entryList(stack.path('models'))).toContain(`${ASIDE}base.precious/weights`);
  });

  test('that lies aside goes with --older-than, also by a name that is no text', async () => {
    const stack = ownStack();
    stack.config({ models: ['models'] });
    stack.files(`models/${ASIDE}b\uFFFDse/rest`);
    const { code, stdout } = await stack.run(['media', '--yes', '--json', '--older-than', '1h']);
    expect(entryList(stack.path('models'))).toEqual([]);
    expect([code, JSON.parse(stdout)]).toEqual([0, expect.objectContaining({ verified: true })]);
  });
});
