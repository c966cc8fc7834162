/** contrib/crontab by Debian's cron, with the package as npm installs it. */
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { confine } from './support/confine.ts';
import { createFolder, testFolder } from './support/folder.ts';
import { installPackage } from './support/installed.ts';
import { fillQuickly, type LiveStack } from './support/live-stack.ts';
import { startRedis } from './support/redis.ts';
import { redisCounts } from './support/redis-census.ts';
import { requireOrSkip } from './support/requirements.ts';
import { makeStack, SERVICE_NAMES, stackEnvironment } from './support/stack.ts';
import { REPOSITORY, runTool } from './support/tool.ts';
import { fileList } from './support/witness.ts';

const CRONTAB = readFileSync(join(REPOSITORY, 'contrib/crontab'), 'utf8');
const SCRIPT = fileURLToPath(new URL('support/cron.sh', import.meta.url));
const EVERY_SUNDAY = /^30 4 \* \* 0 /m;

const installed = createFolder();
beforeAll(() => {
  installPackage(installed.path, join(installed.path, 'install'));
}, 180_000);
afterAll(() => {
  installed.remove();
});

async function host(): Promise<{ readonly folder: string; readonly stack: LiveStack }> {
  const folder = testFolder();
  const redis = await startRedis(folder);
  onTestFinished(async () => await redis.stop());
  makeStack(folder);
  const env = stackEnvironment(folder, redis);
  const stack: LiveStack = {
    folder,
    redis,
    env,
    victim: join(folder, 'victim'),
    run: async (args, options = {}) => await runTool(args, { folder, env, ...options }),
  };
  mkdirSync(join(folder, 'etc'));
  const config = join(folder, 'etc/cleanup.config.json');
  const text = readFileSync(join(folder, 'cleanup.config.json'), 'utf8');
  writeFileSync(config, text.replaceAll('"root": "', `"root": "${folder}/`));
  const urls = Object.entries(env).filter(([name]) => name.endsWith('_REDIS_URL'));
  const lines = urls.map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(join(folder, 'etc/environment'), lines.join(''), { mode: 0o600 });
  // @reboot: cron does it as it starts, and nobody waits for Sunday.
  expect(CRONTAB).toMatch(EVERY_SUNDAY);
  writeFileSync(join(folder, 'crontab'), CRONTAB.replace(EVERY_SUNDAY, '@reboot '));
  cpSync(join(installed.path, 'install'), join(folder, 'install'), {
    recursive: true,
    verbatimSymlinks: true,
  });
  return { folder, stack };
}

/** The mail that cron sent, if any. */
async function runCron(folder: string): Promise<string | undefined> {
  const { code, stderr } = await confine(['/bin/bash', SCRIPT, folder, dirname(process.execPath)], {
    folder,
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    timeout: 60_000,
  });
  expect({ code, stderr }).toMatchObject({ code: 0 });
  const mail = join(folder, 'mail');
  return existsSync(mail) ? readFileSync(mail, 'utf8') : undefined;
}

describe.skipIf(!requireOrSkip('redis', 'celery', 'root', 'mount', 'cron'))('crontab', () => {
  test('wipes, and sends no mail', async () => {
    const { folder, stack } = await host();
    fillQuickly(stack);
    expect(await runCron(folder)).toBeUndefined();
    for (const name of SERVICE_NAMES) {
      expect(fileList(join(folder, 'services', name))).toEqual([]);
      expect(redisCounts(stack.redis, name).jobs).toBe(0);
    }
  });

  test('mails the report when something is wrong', async () => {
    const { folder, stack } = await host();
    fillQuickly(stack);
    await stack.redis.stop();
    const mail = await runCron(folder);
    expect(mail).toContain('To: root');
    expect(mail).toContain('Subject: Cron');
    expect(mail).toContain('Connection refused');
    expect(mail).toContain('WIPE FINISHED WITH ERRORS');
    expect(fileList(join(folder, 'services'))).toEqual([]);
  });

  test('without the package it fails, and fetches none', async () => {
    const { folder, stack } = await host();
    fillQuickly(stack);
    const before = fileList(join(folder, 'services'));
    await confine(['rm', '-rf', join(folder, 'install/node_modules')], { folder });
    writeFileSync(join(folder, 'install/package.json'), '{}');
    expect(await runCron(folder)).toMatch(/npx canceled|npm error/);
    expect(fileList(join(folder, 'services'))).toEqual(before);
    expect(existsSync(join(folder, 'install/node_modules'))).toBe(false);
  });
});
