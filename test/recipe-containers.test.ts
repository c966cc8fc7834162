/**
 * contrib/docker-compose.cleanup.yaml and contrib/prometheus, as far as they can be tried without an
 * engine: what docker compose makes of the file, and the tool with the capabilities that it gives.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { findCommand } from './setup/needs.ts';
import { confine } from './support/confine.ts';
import { testFolder } from './support/folder.ts';
import { requireOrSkip } from './support/requirements.ts';
import { REPOSITORY, TOOL, toolEnvironment } from './support/tool.ts';
import { fileList } from './support/witness.ts';

const CONTRIB = join(REPOSITORY, 'contrib');
const COMPOSE = join(CONTRIB, 'docker-compose.cleanup.yaml');

interface Service {
  readonly profiles: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly cap_drop: readonly string[];
  readonly cap_add: readonly string[];
  readonly pid: string;
}

function cleanupService(text: string): Service {
  return (parse(text) as { services: { cleanup: Service } }).services.cleanup;
}

test('has an address for each variable of the shipped config', () => {
  const config = readFileSync(join(REPOSITORY, 'cleanup.config.json'), 'utf8');
  const names = [...config.matchAll(/\$\{([A-Z_]+):-/g)].map(([, name]) => name);
  const { environment } = cleanupService(readFileSync(COMPOSE, 'utf8'));
  expect(Object.keys(environment)).toEqual(expect.arrayContaining(names));
});

test.skipIf(!requireOrSkip('docker compose'))('docker compose takes it beside a stack', () => {
  const folder = testFolder();
  const stack = join(folder, 'compose.yaml');
  writeFileSync(stack, 'services:\n  redis:\n    image: redis:7\n');
  const added = join(folder, 'docker-compose.cleanup.yaml');
  copyFileSync(COMPOSE, added);
  cpSync(join(CONTRIB, 'docker'), join(folder, 'docker'), { recursive: true });
  const compose = (...args: readonly string[]): string =>
    execFileSync(findCommand('docker-compose') ?? '', ['-f', stack, '-f', added, ...args], {
      cwd: folder,
      env: {
        PATH: process.env['PATH'],
        HOME: folder,
        VIDEO_DOWNLOADER_REDIS_URL: 'redis://other:1/1',
      },
      encoding: 'utf8',
    });
  const service = cleanupService(compose('--profile', 'cleanup', 'config'));
  expect(service.environment['VIDEO_DOWNLOADER_REDIS_URL']).toBe('redis://other:1/1');
  expect(service.profiles).toEqual(['cleanup']);
  expect(service.pid).toBe('host');
});

describe.skipIf(!requireOrSkip('root', 'mount'))('with the capabilities that it has there', () => {
  test('other users’ closed and sticky directories are emptied', async () => {
    const folder = testFolder();
    const { cap_add, cap_drop } = cleanupService(readFileSync(COMPOSE, 'utf8'));
    expect(cap_drop).toEqual(['ALL']);
    const data = join(folder, 'data');
    mkdirSync(data);
    const config = join(folder, 'cleanup.config.json');
    writeFileSync(config, JSON.stringify({ services: { data: { directories: [data] } } }));
    const prepare = `
      cd data
      install -d -m 0700 -o 1234 -g 1234 closed closed/deep
      install -d -m 1777 -o 1234 -g 1234 sticky
      touch closed/deep/file sticky/file
      chown 5678:5678 sticky/file`;
    const wipe = async (capabilities: readonly string[]): Promise<number | null> => {
      const set = ['-all', ...capabilities.map((name) => `+${name.toLowerCase()}`)].join(',');
      const { code } = await confine(
        [
          'setpriv',
          `--bounding-set=${set}`,
          `--inh-caps=${set}`,
          '--no-new-privs',
          process.execPath,
          TOOL,
          ...['all', '--yes', '--config', config],
        ],
        { folder, env: toolEnvironment(folder), prepare },
      );
      return code;
    };
    expect(await wipe(cap_add)).toBe(0);
    expect(fileList(data)).toEqual([]);
    expect(await wipe(cap_add.filter((name) => name !== 'FOWNER'))).toBe(1);
    expect(fileList(data)).toEqual(['sticky/file']);
  });
});

test('the image has an entry point that the package brings', () => {
  const text = readFileSync(join(CONTRIB, 'docker/Dockerfile'), 'utf8');
  const { bin } = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8')) as {
    bin: Readonly<Record<string, string>>;
  };
  const entry = /^ENTRYPOINT \["(.*)"\]$/m.exec(text)?.[1] ?? '';
  expect(Object.keys(bin)).toContain(entry);
});

describe.skipIf(!requireOrSkip('promtool'))('alert rules', () => {
  const rules = join(CONTRIB, 'prometheus/media-cleanup.rules.yaml');
  const promtool = (...args: readonly string[]): string =>
    execFileSync(findCommand('promtool') ?? '', args, { encoding: 'utf8', stdio: 'pipe' });

  test('promtool takes them', () => {
    expect(promtool('check', 'rules', rules)).toContain('SUCCESS: 6 rules found');
  });

  test('fire when they should, and only then', () => {
    const folder = testFolder();
    const week = 7 * 24 * 60;
    const series = (name: string, values: string) => ({ series: `media_cleanup_${name}`, values });
    const at = (
      eval_time: string,
      alertname: string,
      labels: Record<string, string> | undefined,
    ) => ({
      eval_time,
      alertname,
      exp_alerts: labels === undefined ? [] : [{ exp_labels: { severity: 'warning', ...labels } }],
    });
    const instance = 'media1';
    const of = `{instance="${instance}"}`;
    const document = {
      rule_files: [rules],
      evaluation_interval: '15m',
      tests: [
        {
          interval: '15m',
          input_series: [
            series(`last_success_timestamp_seconds${of}`, '0x1000'),
            series(`last_run_timestamp_seconds${of}`, '0x1000'),
            series(`last_run_exit_code${of}`, '0x10 1x990'),
            series(`remaining{instance="${instance}",service="video",kind="files"}`, '0x10 3x990'),
            series('last_run_timestamp_seconds{instance="new"}', '0x1000'),
          ],
          alert_rule_test: [
            at('2h', 'MediaCleanupFailed', undefined),
            at('5h', 'MediaCleanupFailed', { instance }),
            at('2h', 'MediaCleanupLeft', undefined),
            at('5h', 'MediaCleanupLeft', { instance, service: 'video', kind: 'files' }),
            at(`${week}m`, 'MediaCleanupOverdue', undefined),
            at('9d', 'MediaCleanupOverdue', { instance }),
            at('2h', 'MediaCleanupNeverSucceeded', { instance: 'new' }),
          ].map((one) => ({
            ...one,
            // The words are not what is tested here.
            exp_alerts: one.exp_alerts.map((alert) => ({
              ...alert,
              exp_annotations: annotationsOf(one.alertname, alert.exp_labels, one.eval_time),
            })),
          })),
        },
      ],
    };
    const file = join(folder, 'test.json');
    writeFileSync(file, JSON.stringify(document));
    expect(promtool('test', 'rules', file)).toContain('SUCCESS');
  });
});

function annotationsOf(alert: string, labels: Readonly<Record<string, string>>, time: string) {
  const { instance } = labels;
  const page = (section: string): string => `docs/runbook.md#${section}`;
  switch (alert) {
    case 'MediaCleanupFailed':
      return {
        summary: `The last reset on ${instance} ended with 1`,
        runbook: page('what-each-exit-code-asks-for'),
      };
    case 'MediaCleanupLeft':
      return {
        summary: `3 files of video on ${instance} are still there`,
        runbook: page('exit-1'),
      };
    case 'MediaCleanupOverdue':
      return {
        summary: `No successful reset on ${instance} for ${time} 0h 0m 0s`,
        runbook: page('nothing-ran'),
      };
    default:
      return {
        summary: `No reset on ${instance} has ever succeeded`,
        runbook: page('what-each-exit-code-asks-for'),
      };
  }
}
