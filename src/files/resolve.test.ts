import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testFolder } from '../../test/support/folder.ts';
import { locateDirectories } from './resolve.ts';

function entries(...paths: string[]) {
  return paths.map((path) => ({
    path,
    mustBeMounted: false,
    marker: undefined,
    keep: [],
    optional: false,
  }));
}

async function locate(root: string, directories: string[], models: string[] = []) {
  const found = await locateDirectories({
    name: 'service',
    root,
    directories: entries(...directories),
    models: entries(...models),
  });
  return {
    patternProblems: found.patternProblems.map(({ pattern }) => pattern),
    directories: found.directories.map(({ name, path, kind, state }) => ({
      name,
      path,
      kind,
      is: state.is === 'unknown' ? state.code : state.is,
    })),
  };
}

test('plain paths: relative, absolute, with dots, a file, a missing one', async () => {
  const folder = testFolder();
  mkdirSync(join(folder, 'uploads'));
  mkdirSync(join(folder, 'models'));
  writeFileSync(join(folder, 'file'), '');
  const found = await locate(
    folder,
    ['uploads', 'x/../file', 'gone/deep'],
    [join(folder, 'models')],
  );
  expect(found).toEqual({
    patternProblems: [],
    directories: [
      { name: 'Uploads', path: join(folder, 'uploads'), kind: 'files', is: 'directory' },
      { name: 'File', path: join(folder, 'file'), kind: 'files', is: 'other' },
      { name: 'Deep', path: join(folder, 'gone/deep'), kind: 'files', is: 'missing' },
      { name: 'Models', path: join(folder, 'models'), kind: 'models', is: 'directory' },
    ],
  });
});

test('links are resolved, in the middle, at the end, dangling and endless ones', async () => {
  const folder = testFolder();
  mkdirSync(join(folder, 'real/uploads'), { recursive: true });
  symlinkSync('real', join(folder, 'middle'));
  symlinkSync('real/uploads', join(folder, 'end'));
  symlinkSync(join(folder, 'real/none'), join(folder, 'dangling'));
  symlinkSync('loop', join(folder, 'loop'));
  const { directories } = await locate(folder, ['middle/uploads', 'end', 'dangling/x', 'loop']);
  expect(directories.map(({ path, is }) => [path, is])).toEqual([
    [join(folder, 'real/uploads'), 'directory'],
    [join(folder, 'real/uploads'), 'directory'],
    [join(folder, 'real/none/x'), 'missing'],
    [join(folder, 'loop'), 'ELOOP'],
  ]);
});

test('two directories of one last name are named by more of their path', async () => {
  const folder = testFolder();
  const { directories } = await locate(folder, ['a/temp', 'b/temp', '/somewhere/else/temp']);
  expect(directories.map(({ name }) => name)).toEqual(['A/temp', 'B/temp', '/somewhere/else/temp']);
});

test('a pattern matches directories only, dot directories too, each once, sorted', async () => {
  const folder = testFolder();
  for (const name of ['b', 'a', '.c', 'other'])
    mkdirSync(join(folder, name, 'cache'), { recursive: true });
  writeFileSync(join(folder, 'cache'), '');
  const { directories, patternProblems } = await locate(folder, [
    '{a,b,.c}/*',
    'none-*',
    '*/cach[a-d]',
  ]);
  expect(directories.map(({ path }) => path)).toEqual(
    ['.c', 'a', 'b'].map((name) => join(folder, name, 'cache')),
  );
  expect(patternProblems).toEqual(['none-*', '*/cach[a-d]']);
});

test('a link planted where a pattern looks is no target, nor entered', async () => {
  const folder = testFolder();
  const victim = join(folder, 'victim');
  mkdirSync(join(victim, 'cache'), { recursive: true });
  mkdirSync(join(folder, 'root/a/cache'), { recursive: true });
  symlinkSync(victim, join(folder, 'root/planted'));
  symlinkSync(join(victim, 'cache'), join(folder, 'root/a/link'));
  for (const pattern of ['*', '*/cache', '**/cache', 'a/*', '*/*', '{a,planted}/*']) {
    const { directories } = await locate(join(folder, 'root'), [pattern]);
    for (const { path } of directories) expect(path.startsWith(`${folder}/root/`)).toBe(true);
  }
});

test('glob characters after a backslash are a plain path', async () => {
  const folder = testFolder();
  mkdirSync(join(folder, 'a[1]'));
  mkdirSync(join(folder, 'a1'));
  const { directories } = await locate(folder, ['a\\[1\\]']);
  expect(directories.map(({ path, is }) => [path, is])).toEqual([
    [join(folder, 'a[1]'), 'directory'],
  ]);
});
