/** What gets published: exactly what runs, and it runs after a bare install. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createFolder } from './support/folder.ts';
import { REPOSITORY } from './support/tool.ts';

const SOURCES = [
  'bin',
  'man',
  'src',
  'test/setup',
  'package.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
  'contrib',
  'docs',
  'cleanup.config.json',
  'cleanup.config.schema.json',
];

const folder = createFolder();
const checkout = join(folder.path, 'checkout');
const installed = join(folder.path, 'installed');
let packed: string[];
let archive: string;

// Packed from a copy, because `prepack` builds anew and other tests run what is in dist.
beforeAll(() => {
  for (const source of SOURCES) {
    if (existsSync(join(REPOSITORY, source))) {
      cpSync(join(REPOSITORY, source), join(checkout, source), { recursive: true });
    }
  }
  symlinkSync(join(REPOSITORY, 'node_modules'), join(checkout, 'node_modules'));
  const output = npm(['pack', '--json', '--pack-destination', folder.path], checkout);
  const [result] = JSON.parse(output) as [{ filename: string; files: { path: string }[] }];
  packed = result.files.map((file) => file.path).toSorted();
  archive = join(folder.path, result.filename);
  mkdirSync(installed);
  npm(['init', '--yes'], installed);
  npm(['install', '--omit=dev', '--prefer-offline', archive], installed);
}, 180_000);

afterAll(() => folder.remove());

test('holds what runs and nothing else', () => {
  const built = packed.filter((file) => file.startsWith('dist/'));
  expect(built).toContain('dist/main.js');
  expect(built).toContain('dist/THIRD-PARTY-LICENSES.txt');
  expect(
    built.filter((file) => !/^dist\/([\w-]+\.c?js|THIRD-PARTY-LICENSES\.txt)$/.test(file)),
  ).toEqual([]);
  expect(packed.filter((file) => !file.startsWith('dist/'))).toEqual([
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'bin/media-cleanup.js',
    'cleanup.config.json',
    'cleanup.config.schema.json',
    'contrib/ansible/media-cleanup.yaml',
    'contrib/crontab',
    'contrib/docker-compose.cleanup.yaml',
    'contrib/docker/Dockerfile',
    'contrib/prometheus/media-cleanup.rules.yaml',
    'contrib/systemd/media-cleanup.service',
    'contrib/systemd/media-cleanup.timer',
    'docs/runbook.md',
    'man/media-cleanup.1',
    'package.json',
  ]);
});

test('brings nothing else along: what runs as root is what was tested', () => {
  const modules = readdirSync(join(installed, 'node_modules'));
  expect(modules.filter((name) => !name.startsWith('.'))).toEqual(['media-cleanup']);
});

test('its files name no path of the machine they were built on', () => {
  for (const file of packed) {
    const text = readFileSync(join(installed, 'node_modules/media-cleanup', file), 'utf8');
    expect(text.includes(REPOSITORY), file).toBe(false);
  }
});

test('npx media-cleanup works where only the package is installed', () => {
  const help = npx('--help');
  expect(help).toContain('Usage: media-cleanup');
  const { version } = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8')) as {
    version: string;
  };
  expect(npx('--version').trim()).toBe(version);
  const missing = spawnSync('node_modules/.bin/media-cleanup', ['init', '--env-file', 'no.env'], {
    ...{ cwd: installed, env: { PATH: process.env['PATH'], HOME: folder.path }, encoding: 'utf8' },
  });
  // Node itself would end with 9.
  expect([missing.status, missing.stderr]).toEqual([2, expect.stringContaining('no.env')]);
});

test('npm install -g brings the command and its page', () => {
  const prefix = join(folder.path, 'global');
  npm(['install', '--global', '--prefer-offline', '--prefix', prefix, archive], folder.path);
  expect(existsSync(join(prefix, 'bin/media-cleanup'))).toBe(true);
  expect(readFileSync(join(prefix, 'share/man/man1/media-cleanup.1'), 'utf8')).toBe(
    readFileSync(join(REPOSITORY, 'man/media-cleanup.1'), 'utf8'),
  );
}, 120_000);

function npm(args: readonly string[], cwd: string): string {
  const { PATH, HOME } = process.env;
  return execFileSync('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd,
    env: { PATH, HOME },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

function npx(argument: string): string {
  return execFileSync('npx', ['--no-install', 'media-cleanup', argument], {
    cwd: installed,
    env: { PATH: process.env['PATH'], HOME: folder.path },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}
