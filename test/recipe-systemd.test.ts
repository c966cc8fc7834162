/** contrib/systemd under a real systemd: sandboxed as shipped, and still able to do its work. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { testFolder } from './support/folder.ts';
import { fillQuickly, type LiveStack } from './support/live-stack.ts';
import { startRedis } from './support/redis.ts';
import { redisCounts } from './support/redis-census.ts';
import { requireOrSkip } from './support/requirements.ts';
import { makeStack, SERVICE_NAMES, stackEnvironment } from './support/stack.ts';
import { installBelow, underSystemd } from './support/systemd.ts';
import { REPOSITORY, runTool } from './support/tool.ts';
import { countFiles, fileList } from './support/witness.ts';

const CONTRIB = join(REPOSITORY, 'contrib/systemd');
const SERVICE = readFileSync(join(CONTRIB, 'media-cleanup.service'), 'utf8');
const TIMER = readFileSync(join(CONTRIB, 'media-cleanup.timer'), 'utf8');
const UNITS = { 'media-cleanup.service': SERVICE, 'media-cleanup.timer': TIMER };

const HOLDERS = {
  'descriptor.service': `[Service]
DefaultDependencies=no
User=nobody
ExecStart=/bin/sh -c 'exec 3</srv/media/services/video-downloader/downloads/held; exec sleep 100'
`,
  'mapping.service': `[Service]
DefaultDependencies=no
User=nobody
ExecStart=/usr/bin/python3 -c 'import mmap, os, time; file = open("/srv/media/services/audio-transcriber/models/mapped", "rb"); memory = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ); os.closerange(3, 100); time.sleep(100)'
`,
};

/** Of other users, closed, sticky, and held by processes of a third one. */
const OTHERS_FILES = `
systemctl stop descriptor mapping
cd /srv/media/services/video-downloader
install -d -m 0700 -o 1234 -g 1234 downloads/closed downloads/closed/deep
install -d -m 1777 -o 1234 -g 1234 downloads/sticky
head -c 5000 /dev/zero >downloads/closed/deep/file
head -c 5000 /dev/zero >downloads/sticky/file
head -c 1000000 /dev/zero >downloads/held
head -c 2000000 /dev/zero >../audio-transcriber/models/mapped
chown 1234:1234 downloads downloads/closed/deep/file
chown 5678:5678 downloads/sticky/file
chmod 0700 downloads/closed
chmod 0644 downloads/held ../audio-transcriber/models/mapped
systemctl start descriptor mapping
until ls -l /proc/*/fd/3 2>/dev/null | grep -q downloads/held; do sleep 0.05; done
until grep -qs models/mapped /proc/*/maps; do sleep 0.05; done
cd /
`;
const HELD_BYTES = 1_003_520;
const MAPPED_BYTES = 2_002_944;

interface JournalEntry {
  readonly MESSAGE: string;
  readonly PRIORITY: string;
  readonly SYSLOG_IDENTIFIER: string;
  readonly _SYSTEMD_UNIT?: string;
}

function journal(output: string): readonly JournalEntry[] {
  return output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as JournalEntry);
}

interface Host {
  readonly folder: string;
  readonly stack: LiveStack;
  /** The last run's report, of the state directory. */
  report(): Record<string, unknown>;
  run(script: string, dropIn?: string, units?: Readonly<Record<string, string>>): Promise<string>;
}

/** A machine with the tool in /opt, the stack in /srv/media, config and passwords in /etc. */
async function host(): Promise<Host> {
  const folder = testFolder();
  const media = join(folder, 'media');
  const redis = await startRedis(folder);
  onTestFinished(async () => await redis.stop());
  mkdirSync(media);
  makeStack(media);
  const env = stackEnvironment(media, redis);
  const stack: LiveStack = {
    folder: media,
    redis,
    env,
    victim: join(folder, 'victim'),
    run: async (args, options = {}) => await runTool(args, { folder: media, env, ...options }),
  };
  const etc = join(folder, 'etc/media-cleanup');
  mkdirSync(etc, { recursive: true });
  const config = readFileSync(join(media, 'cleanup.config.json'), 'utf8');
  writeFileSync(
    join(etc, 'cleanup.config.json'),
    config.replaceAll('"root": "services/', '"root": "/srv/media/services/'),
  );
  const urls = Object.entries(env).filter(([name]) => name.endsWith('_REDIS_URL'));
  writeFileSync(
    join(etc, 'environment'),
    urls.map(([name, value]) => `${name}=${value}\n`).join(''),
    { mode: 0o600 },
  );
  mkdirSync(join(folder, 'var-lib/prometheus/node-exporter'), { recursive: true });
  installBelow(folder);
  return {
    folder,
    stack,
    report: () => {
      const runs = join(folder, 'var-lib/media-cleanup/runs');
      const id = spawnSync('ls', [runs], { encoding: 'utf8' }).stdout.trim().split('\n').at(-1);
      return JSON.parse(readFileSync(join(runs, id ?? '', 'report.json'), 'utf8')) as Record<
        string,
        unknown
      >;
    },
    run: async (script, dropIn = '', units = {}) =>
      await underSystemd({
        folder,
        units: {
          ...UNITS,
          'media-cleanup.service.d/test.conf': `[Unit]\nRequiresMountsFor=\n${dropIn}`,
          ...units,
        },
        script,
      }),
  };
}

describe.skipIf(!requireOrSkip('redis', 'celery', 'root', 'mount', 'systemd'))('systemd', () => {
  test('as shipped it wipes what others own, and finds what they hold open', async () => {
    const { folder, stack, run, report } = await host();
    fillQuickly(stack);
    const before = fileList('/etc/systemd').join();
    const output = await run(
      `${OTHERS_FILES}
      systemctl start media-cleanup.service
      systemctl show media-cleanup.service -p Result,ExecMainStatus
      journalctl --no-pager -o json -u media-cleanup.service`,
      '',
      HOLDERS,
    );
    expect(output).toContain('Result=success\nExecMainStatus=0\n');
    for (const name of SERVICE_NAMES) {
      expect(fileList(join(stack.folder, 'services', name))).toEqual([]);
      expect(redisCounts(stack.redis, name)).toEqual({
        jobs: 0,
        results: 0,
        queued: 0,
        inFlight: 0,
      });
    }
    const { services } = report() as { services: Record<string, Record<string, unknown>> };
    expect(services['video-downloader']).toMatchObject({ bytes_held_open: HELD_BYTES });
    expect(services['audio-transcriber']).toMatchObject({ bytes_held_open: MAPPED_BYTES });
    const text = JSON.stringify(services);
    expect(text).toMatch(/held open by (?:sh|sleep)[^"]*pid \d+/);
    expect(text).toMatch(/held open by \S*python3 /);

    const entries = journal(output).filter((entry) => entry.SYSLOG_IDENTIFIER === 'media-cleanup');
    const priorityOf = (message: RegExp): string | undefined =>
      entries.find((entry) => message.test(entry.MESSAGE))?.PRIORITY;
    expect(priorityOf(/^🔥 TOTAL WIPE STARTED/)).toBe('4');
    expect(priorityOf(/^🗑️ {2}Redis: 3 jobs removed$/)).toBe('6');
    expect(priorityOf(/held open by/)).toBe('4');
    expect(entries.every(({ MESSAGE }) => !/^<\d>/.test(MESSAGE))).toBe(true);

    const metrics = join(folder, 'var-lib/prometheus/node-exporter/media-cleanup.prom');
    expect(readFileSync(metrics, 'utf8')).toContain('\nmedia_cleanup_last_run_exit_code 0\n');
    expect(statSync(metrics).mode & 0o777).toBe(0o644);
    expect(statSync(join(folder, 'var-lib/media-cleanup')).mode & 0o777).toBe(0o700);
    expect(fileList('/etc/systemd').join(), 'the machine itself is as it was').toBe(before);
  });

  test('each of its capabilities is needed for what the comment says', async () => {
    const { run } = await host();
    const output = await run(
      `
      try() {
        rm -rf /srv/media/services/video-downloader/downloads/*
        ${OTHERS_FILES}
        printf '[Service]\nCapabilityBoundingSet=\nCapabilityBoundingSet=%s\n' "$2" \
          >/run/units/media-cleanup.service.d/try.conf
        systemctl daemon-reload
        systemctl reset-failed media-cleanup.service || true
        systemctl start media-cleanup.service || true
        systemctl show media-cleanup.service -p ExecMainStatus | sed "s/^/$1 /"
        latest=$(ls -d /var/lib/media-cleanup/runs/* | tail -n 1)
        printf '%s %s\n' "$1" "$(tr -d '\n' <"$latest/report.json")"
      }
      all="CAP_DAC_OVERRIDE CAP_FOWNER CAP_SYS_PTRACE CAP_CHECKPOINT_RESTORE"
      for one in $all; do try "$one" "\${all/$one}"; done
      try all "$all"
      printf '[Service]\nMemoryDenyWriteExecute=yes\n' >/run/units/media-cleanup.service.d/try.conf
      systemctl daemon-reload
      systemctl start media-cleanup.service || echo "no V8"`,
      '[Service]\nRestart=no\n',
      HOLDERS,
    );
    expect(output.endsWith('no V8\n')).toBe(true);
    const lines = output.split('\n');
    const resultOf = (missing: string) => {
      const of = lines.filter((line) => line.startsWith(`${missing} `));
      const report = JSON.parse(of[1]?.slice(missing.length + 1) ?? '') as {
        services: Record<string, { bytes_held_open: number; errors: readonly string[] }>;
      };
      const [video, audio] = [
        report.services['video-downloader'],
        report.services['audio-transcriber'],
      ];
      return {
        code: Number(/ExecMainStatus=(\d+)/.exec(of[0] ?? '')?.[1]),
        errors: video?.errors.map((line) => line.replace(/:.*/, '')),
        held: video?.bytes_held_open,
        mapped: audio?.bytes_held_open,
      };
    };
    const well = { code: 0, errors: [], held: HELD_BYTES, mapped: MAPPED_BYTES };
    expect(resultOf('all')).toEqual(well);
    expect(resultOf('CAP_FOWNER')).toEqual({ ...well, code: 1, errors: ['Downloads/sticky/file'] });
    expect(resultOf('CAP_SYS_PTRACE')).toEqual({ ...well, held: 0, mapped: 0 });
    expect(resultOf('CAP_CHECKPOINT_RESTORE')).toEqual({ ...well, mapped: 0 });
    const closed = resultOf('CAP_DAC_OVERRIDE');
    expect(closed.code).toBe(1);
    expect(closed.errors).toContain('Downloads/closed');
  });

  test('systemctl stop: a partial report, and no failed unit', async () => {
    const { folder, run, report } = await host();
    const uploads = 'services/audio-transcriber/uploads';
    const output = await run(`
      cd /srv/media/${uploads}
      seq 30000 | xargs touch
      systemctl start --no-block media-cleanup.service
      while [ "$(find . -type f | wc -l)" = 30000 ]; do sleep 0.05; done
      systemctl stop media-cleanup.service
      systemctl show media-cleanup.service -p Result,ActiveState,NRestarts
      journalctl -o json -u media-cleanup.service`);
    expect(output).toContain('Result=success\nNRestarts=0\nActiveState=inactive\n');
    expect(output).toContain('WIPE INTERRUPTED: ');
    const left = countFiles(join(folder, 'media', uploads));
    expect(left).toBeGreaterThan(0);
    expect(report()).toMatchObject({ status: 'interrupted', files_deleted: 30_000 - left });
    const metrics = join(folder, 'var-lib/prometheus/node-exporter/media-cleanup.prom');
    expect(readFileSync(metrics, 'utf8')).toContain('\nmedia_cleanup_last_run_exit_code 143\n');
  });

  test('what may be better later is tried again, the rest is told at once', async () => {
    const { stack, run } = await host();
    await stack.redis.stop();
    const waitUntilFailed = `
      for _ in $(seq 300); do
        systemctl is-failed --quiet media-cleanup.service && break
        sleep 0.1
      done
      for _ in $(seq 50); do
        [ -e /run/told ] && break
        sleep 0.1
      done
      systemctl show media-cleanup.service -p Result,ExecMainStatus,NRestarts
      cat /run/told
      rm /run/told
      systemctl reset-failed media-cleanup.service`;
    const output = await run(
      `systemctl start --no-block media-cleanup.service
      ${waitUntilFailed}
      journalctl -o json -u media-cleanup.service
      echo '{' >/etc/media-cleanup/cleanup.config.json
      systemctl start --no-block media-cleanup.service
      ${waitUntilFailed}`,
      `OnFailure=notify-admin@%n.service\n[Service]\nRestartSec=200ms\n`,
      {
        'notify-admin@.service': `[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo "failed: %i" >/run/told'\n`,
      },
    );
    const [redisDown, configWrong] = output.split('failed: media-cleanup.service\n');
    // The third attempt is the last.
    expect(redisDown).toMatch(/^Result=exit-code\nNRestarts=[23]\nExecMainStatus=1\n$/);
    expect(configWrong).toContain('Result=exit-code\nNRestarts=0\nExecMainStatus=2\n');
    const refused = journal(output).filter(({ MESSAGE }) => MESSAGE.includes('Connection refused'));
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.map(({ PRIORITY }) => PRIORITY)).toContain('3');
  });

  test('systemd-analyze has nothing to say against the units', async () => {
    const { run } = await host();
    const output = await run(`
      cp /run/units/media-cleanup.service /run/units/media-cleanup.timer /tmp
      systemd-analyze verify /tmp/media-cleanup.service /tmp/media-cleanup.timer 2>&1
      echo verified
      systemd-analyze security --offline=yes --threshold=30 /tmp/media-cleanup.service 2>&1 | tail -n 1`);
    expect(output).toMatch(/^verified\n.*Overall exposure level .*: (?:[01]\.\d|2\.[0-4]) /);
  });

  test('the timer: on Sundays, and at once when one was missed', async () => {
    const { stack, run } = await host();
    fillQuickly(stack, ['video-downloader']);
    const output = await run(
      `mkdir -p /var/lib/systemd/timers
      touch -d '30 days ago' /var/lib/systemd/timers/stamp-media-cleanup.timer
      systemctl start media-cleanup.timer
      for _ in $(seq 100); do
        journalctl -u media-cleanup.service | grep -q 'WIPE COMPLETED' && break
        sleep 0.1
      done
      until [ "$(systemctl show media-cleanup.service -p ActiveState)" = ActiveState=inactive ]; do
        sleep 0.1
      done
      TZ=UTC systemctl show media-cleanup.timer -p NextElapseUSecRealtime,Persistent`,
      '',
      { 'media-cleanup.timer.d/test.conf': '[Timer]\nRandomizedDelaySec=0\n' },
    );
    expect(output).toContain('NextElapseUSecRealtime=Sun ');
    expect(output).toContain('04:30:00');
    expect(output).toContain('Persistent=yes');
    expect(fileList(join(stack.folder, 'services/video-downloader'))).toEqual([]);
  });

  test('a directory of its own in ReadWritePaths= looks mounted: the comment warns of that', async () => {
    const { folder, run } = await host();
    const file = join(folder, 'etc/media-cleanup/cleanup.config.json');
    const directories = [{ path: '/srv/media/data', mustBeMounted: true }];
    writeFileSync(file, JSON.stringify({ services: { data: { directories } } }));
    mkdirSync(join(folder, 'media/data'));
    writeFileSync(join(folder, 'media/data/precious'), 'below an absent mount');
    const output = await run(
      `systemctl start media-cleanup.service || true
      systemctl show media-cleanup.service -p ExecMainStatus
      ls /srv/media/data
      printf '[Service]\nReadWritePaths=\nReadWritePaths=/srv/media/data\n' \
        >/run/units/media-cleanup.service.d/wrong.conf
      systemctl daemon-reload
      systemctl start media-cleanup.service || true
      systemctl show media-cleanup.service -p ExecMainStatus
      ls /srv/media/data`,
    );
    expect(output).toBe('ExecMainStatus=3\nprecious\nExecMainStatus=3\nprecious\n');
  });
});
