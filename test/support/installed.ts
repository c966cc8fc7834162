/** The package as npm installs it: packed from a copy of the checkout, into a folder of its own. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY } from './tool.ts';

const SOURCES = [
  'bin',
  'dist',
  'package.json',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
  'man',
  'contrib',
  'docs',
  'cleanup.config.json',
  'cleanup.config.schema.json',
];

/** Takes dist as it is built. `target` is made; the archive is left in `folder`. */
export function installPackage(folder: string, target: string): void {
  const checkout = join(folder, 'checkout');
  for (const source of SOURCES.filter((one) => existsSync(join(REPOSITORY, one)))) {
    cpSync(join(REPOSITORY, source), join(checkout, source), { recursive: true });
  }
  const output = npm(
    ['pack', '--json', '--ignore-scripts', '--pack-destination', folder],
    checkout,
  );
  const [packed] = JSON.parse(output) as [{ readonly filename: string }];
  mkdirSync(target);
  npm(['init', '--yes'], target);
  npm(['install', '--omit=dev', '--prefer-offline', join(folder, packed.filename)], target);
}

function npm(args: readonly string[], cwd: string): string {
  const { PATH, HOME } = process.env;
  return execFileSync('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd,
    env: { PATH, HOME },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}
