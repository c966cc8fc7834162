import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { findCommand, findPython } from '../setup/needs.ts';

const CHECKS = {
  redis: () =>
    findCommand('redis-server') !== undefined &&
    findCommand('redis-cli') !== undefined &&
    findPython().modules.has('redis'),
  celery: () => findPython().modules.has('celery') && findPython().modules.has('redis'),
  root: () => process.getuid?.() === 0,
  mount: () => succeeds('unshare', ['-m', 'mount', '-t', 'tmpfs', 'none', '/mnt']),
  'loop device': () => findCommand('mkfs.ext4') !== undefined && succeeds('losetup', ['--find']),
  chattr: () => process.getuid?.() === 0 && findCommand('chattr') !== undefined,
  fuse: () =>
    process.getuid?.() === 0 &&
    existsSync('/dev/fuse') &&
    findCommand('fusermount') !== undefined &&
    findPython().modules.has('fusepy'),
  promtool: () => findCommand('promtool') !== undefined,
  jq: () => findCommand('jq') !== undefined,
  // It need not run here: tests boot one of their own.
  systemd: () =>
    existsSync('/lib/systemd/systemd') &&
    ['systemd-analyze', 'systemctl', 'journalctl'].every((name) => findCommand(name) !== undefined),
  cron: () => findCommand('cron') !== undefined,
  'docker compose': () => findCommand('docker-compose') !== undefined,
  ansible: () => findCommand('ansible-playbook') !== undefined,
  zsh: () => findCommand('zsh') !== undefined,
  fish: () => findCommand('fish') !== undefined,
  man: () => findCommand('man') !== undefined && findCommand('mandoc') !== undefined,
  tmux: () => findCommand('tmux') !== undefined,
} as const;

export type Requirement = keyof typeof CHECKS;

const known = new Map<Requirement, boolean>();

/**
 * For `describe.skipIf(!requireOrSkip('redis', 'root'))`: true when all are there. Else prints what
 * is missing and returns false; with CI set it throws, so that nothing is skipped there unseen.
 */
export function requireOrSkip(...requirements: readonly Requirement[]): boolean {
  const missing = requirements.filter((requirement) => !isThere(requirement));
  if (missing.length === 0) return true;
  const message = `This machine lacks ${missing.join(', ')} (npm run setup installs what it can)`;
  if (isContinuousIntegration()) throw new Error(`${message}: in CI no test may be skipped`);
  console.warn(`skipped: ${message}`);
  return false;
}

function isThere(requirement: Requirement): boolean {
  let there = known.get(requirement);
  if (there === undefined) {
    there = CHECKS[requirement]();
    known.set(requirement, there);
  }
  return there;
}

function isContinuousIntegration(): boolean {
  return !['', '0', 'false'].includes(process.env['CI'] ?? '');
}

function succeeds(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}
