/**
 * Makes sure that tests and demo find what they need from the system. Silent when all is there;
 * installs as root on Debian and Ubuntu; elsewhere says in one line what to install, and exits 1.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { findCommand, NEEDS, type Need } from './needs.ts';

const POLICY = '/usr/sbin/policy-rc.d';
const SERVICES = ['redis-server', 'prometheus'];

const missing = NEEDS.filter((need) => !need.present());
if (missing.some((need) => !need.optional)) {
  const packages = [...new Set(missing.map((need) => need.package))];
  if (process.getuid?.() === 0 && findCommand('apt-get') !== undefined) {
    console.log(`Installing for the tests: ${packages.join(' ')}`);
    install(packages);
  } else {
    giveUp(missing.filter((need) => !need.optional));
  }
}

function giveUp(needs: readonly Need[]): never {
  const packages = [...new Set(needs.map((need) => need.package))].join(' ');
  console.error(
    `The tests need ${needs.map((need) => need.name).join(', ')}: ` +
      `install them (Debian, Ubuntu: sudo apt-get install --no-install-recommends ${packages})`,
  );
  process.exit(1);
}

function install(packages: readonly string[]): void {
  aptGet(['update']);
  withoutStartingServices(() => {
    aptGet(['install', '--yes', '--no-install-recommends', ...packages]);
  });
  for (const service of SERVICES) if (packages.includes(service)) stopPackaged(service);
  const still = NEEDS.filter((need) => !need.optional && !need.present());
  if (still.length > 0) giveUp(still);
}

function aptGet(args: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync('apt-get', ['-q', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  if (status === 0) return;
  console.error(
    `${stdout}${stderr}apt-get ${args.join(' ')} failed: install by hand and try again`,
  );
  process.exit(1);
}

/** Debian starts a service as it is installed, unless this script says 101 ("not allowed"). */
function withoutStartingServices(action: () => void): void {
  if (existsSync(POLICY)) {
    action();
    return;
  }
  const remove = (): void => rmSync(POLICY, { force: true });
  process.once('exit', remove);
  writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  action();
  remove();
}

/** A package's own server listens on a fixed port; the tests start theirs on free ones. */
function stopPackaged(service: string): void {
  if (existsSync('/run/systemd/system')) {
    spawnSync('systemctl', ['disable', '--now', service], { stdio: 'ignore' });
  } else if (existsSync(`/etc/init.d/${service}`)) {
    spawnSync('service', [service, 'stop'], { stdio: 'ignore' });
  }
}
