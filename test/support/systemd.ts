/**
 * A real systemd, booted for one test in namespaces of its own inside the test's confinement: units
 * run with the sandboxing that they ask for, and a real journald takes what they print.
 */
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { confine } from './confine.ts';
import { REPOSITORY } from './tool.ts';

const BOOT = fileURLToPath(new URL('systemd.sh', import.meta.url));
const SHIPPED = '/lib/systemd/system';

/** What a machine has booted long before; there is nothing in them here. */
const REACHED = ['sysinit', 'basic', 'sockets', 'timers', 'network-online', 'shutdown'] as const;

export interface Boot {
  /** See systemd.sh for what the directories in it become. */
  readonly folder: string;
  /** By name, also drop-ins: `media-cleanup.service.d/test.conf`. */
  readonly units: Readonly<Record<string, string>>;
  /** Bash, run as an administrator's; when it ends, so does the machine. */
  readonly script: string;
}

/** What the script printed. @throws Error with everything when it failed. */
export async function underSystemd({ folder, units, script }: Boot): Promise<string> {
  const place = join(folder, 'units');
  const add = (name: string, text: string): void => {
    mkdirSync(dirname(join(place, name)), { recursive: true });
    writeFileSync(join(place, name), text);
  };
  for (const name of REACHED) {
    add(`${name}.target`, `[Unit]\nDescription=${name}\nDefaultDependencies=no\n`);
  }
  for (const name of ['systemd-journald.service', 'systemd-journald.socket']) {
    copyFileSync(join(SHIPPED, name), join(place, name));
  }
  add('operator.target', OPERATOR_TARGET);
  add('operator.service', OPERATOR);
  add('operator.sh', `set -euo pipefail\n${script}`);
  for (const [name, text] of Object.entries(units)) add(name, text);
  const { code, stderr, stdout } = await confine(['/bin/bash', BOOT, folder, 'operator.target'], {
    folder,
    cwd: folder,
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    timeout: 90_000,
  });
  const printed = read(join(place, 'operator.out'));
  const errors = read(join(place, 'operator.err'));
  if (!printed.endsWith('operator: done\n')) {
    throw new Error(`the script failed (${code}):\n${printed}\n${errors}\n${stdout}\n${stderr}`);
  }
  return printed.slice(0, -'operator: done\n'.length);
}

/** What `npm install media-cleanup` in /opt/media-cleanup makes. */
export function installBelow(folder: string): void {
  const place = join(folder, 'install/node_modules/media-cleanup');
  for (const part of ['bin', 'dist', 'package.json']) {
    cpSync(join(REPOSITORY, part), join(place, part), { recursive: true });
  }
  const bin = join(folder, 'install/node_modules/.bin');
  mkdirSync(bin, { recursive: true });
  // As in a `#!` line, wherever the Node of this test is.
  writeFileSync(
    join(bin, 'media-cleanup'),
    `#!/bin/sh\nexec ${process.execPath} /opt/media-cleanup/node_modules/media-cleanup/bin/media-cleanup.js "$@"\n`,
    { mode: 0o755 },
  );
}

function read(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

const OPERATOR_TARGET = `[Unit]
Description=the administrator has logged in
DefaultDependencies=no
Requires=operator.service systemd-journald.service
After=operator.service
`;

const OPERATOR = `[Unit]
Description=the administrator
DefaultDependencies=no
After=systemd-journald.service
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
WorkingDirectory=/srv/media
ExecStart=/bin/bash -c '/bin/bash /run/units/operator.sh && echo "operator: done"'
StandardOutput=truncate:/run/units/operator.out
StandardError=truncate:/run/units/operator.err
Environment=SYSTEMD_PAGER=cat SYSTEMD_COLORS=0 HOME=/root
`;
