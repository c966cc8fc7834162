import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ServiceConfig } from '../config/types.ts';
import { mountAt, testFolder } from '../../test/support/folder.ts';
import { requireOrSkip } from '../../test/support/requirements.ts';
import { lockFiles } from './host-locks.ts';

function locksOf(root: string, path: string): readonly string[] {
  const service = { name: 's', root, redis: undefined, directories: [{ path }], models: [] };
  return lockFiles([service as unknown as ServiceConfig], '/state').map(({ file }) => file);
}

test('one directory has one lock by whatever path; another one has another', () => {
  const folder = testFolder();
  mkdirSync(join(folder, 'real/data'), { recursive: true });
  symlinkSync('real', join(folder, 'link'));
  expect(locksOf(folder, 'link/data')).toEqual(locksOf(folder, 'real/data'));
  expect(locksOf(folder, 'link/gone/x')).toEqual(locksOf(folder, 'real/gone/x'));
  expect(locksOf(folder, 'real/gone')).not.toEqual(locksOf(folder, 'real/data'));
});

test.skipIf(!requireOrSkip('root', 'mount'))('a bind mount shows the same directory', () => {
  const folder = testFolder();
  mkdirSync(join(folder, 'real/data'), { recursive: true });
  mountAt(join(folder, 'view'), ['--bind', join(folder, 'real')]);
  expect(locksOf(folder, 'view/data')).toEqual(locksOf(folder, 'real/data'));
  expect(locksOf(folder, 'view/gone')).toEqual(locksOf(folder, 'real/gone'));
});
