/** Variables of several env files: what `init` names, what the next steps need, what is refused. */
import { execFileSync } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseDotenv } from '../src/config/dotenv.ts';
import { addFiles, project } from './support/project.ts';
import type { TestRedis } from './support/redis.ts';
import { redisOfTest } from './support/redis-of-test.ts';
import { runTool } from './support/tool.ts';

async function initIn(folder: string, ...args: readonly string[]): Promise<string> {
  const result = await runTool(['init', ...args], { folder });
  if (result.code !== 0) throw new Error(result.stdout + result.stderr);
  // Without the wrapping of long lines.
  return result.stdout.replaceAll(/\n {4}(?=\S)/g, ' ');
}

interface Written {
  readonly redis?: string;
  readonly celery?: { readonly broker?: string };
}

function written(folder: string): Readonly<Record<string, Written>> {
  const text = readFileSync(join(folder, 'cleanup.config.json'), 'utf8');
  return (JSON.parse(text) as { services: Record<string, Written> }).services;
}

function saveJob(redis: TestRedis, db: number, key: string): void {
  const id = key.split(':').at(-1);
  const job = JSON.stringify({ id, status: 'queued', created_at: '2026-01-01T00:00:00' });
  redis.cli('-n', String(db), 'SET', key, job);
}

const message = (id: string): string =>
  JSON.stringify({ body: '', headers: { id, task: 't' }, properties: { delivery_tag: id } });

/** The arguments of the commands below `Next:`. */
function printedSteps(text: string): readonly (readonly string[])[] {
  return text.split('\n').flatMap((line) => {
    const command = /^ {2}media-cleanup (.*?) {3,}/.exec(line)?.[1];
    return command === undefined ? [] : [command.split(' ')];
  });
}

/** Makes media-cleanup.env as the text tells: `NAME=<VARIABLE of file, change>`. */
function followByHand(folder: string, text: string): void {
  const lines = [...text.matchAll(/^ {2}(\w+)=<(\w+) of (\S+?)(?:, ([^>]*))?>$/gm)];
  const made = lines.map(([, name = '', variable = '', file = '', change = '']) => {
    const { entries } = parseDotenv(readFileSync(join(folder, file), 'utf8'));
    const raw = entries.get(variable)?.raw ?? '';
    if (change === '') return `${name}=${raw}`;
    if (change === 'percent-encoded') return `${name}=${encodeURIComponent(raw)}`;
    const url = / (redis:\S+)$/.exec(change)?.[1] ?? '';
    const password = /\/\/[^:]*:(.*)@/.exec(raw)?.[1] ?? '';
    return `${name}=${url.replace('PASSWORD', change.includes('percent') ? encodeURIComponent(password) : password)}`;
  });
  const path = join(folder, 'media-cleanup.env');
  writeFileSync(path, `${made.join('\n')}\n`);
  chmodSync(path, 0o600);
}

async function twoServices(folder: string): Promise<TestRedis> {
  const redis = await redisOfTest(folder, { password: 'hunter2' });
  const url = (db: number): string => `redis://:hunter2@127.0.0.1:${redis.port}/${db}`;
  addFiles(folder, {
    'services/thumbs/.env': `REDIS_URL=${url(2)}\nCELERY_BROKER_URL=${url(2)}\nCELERY_QUEUE=jobs\n`,
    'services/video-grabber/.env': `JOBS_REDIS_URL=${url(4)}\nCELERY_BROKER_URL=${url(1)}\nCELERY_QUEUE=jobs\n`,
    'services/thumbs/uploads/a': 'x',
    'services/video-grabber/uploads/a': 'x',
  });
  return redis;
}

test('two env files with one variable name: an own name for each, and the printed steps work', async () => {
  const folder = project({});
  const redis = await twoServices(folder);
  saveJob(redis, 2, 'thumbs_job:1');
  saveJob(redis, 4, 'grabber_job:1');
  redis.cli('-n', '1', 'RPUSH', 'jobs', message('a1'));
  redis.cli('-n', '2', 'RPUSH', 'jobs', message('b1'));
  const text = await initIn(folder);
  const services = written(folder);
  expect(services['video-grabber']?.celery?.broker).toBe('${VIDEO_GRABBER_CELERY_BROKER_URL}');
  expect(JSON.stringify(services)).not.toContain('{CELERY_BROKER_URL');
  expect(text).toContain(
    'VIDEO_GRABBER_CELERY_BROKER_URL=<CELERY_BROKER_URL of services/video-grabber/.env>',
  );
  followByHand(folder, text);
  for (const step of printedSteps(text)) {
    const result = await runTool(step, { folder });
    expect(result.code, step.join(' ') + result.stdout + result.stderr).toBe(0);
  }
  const flags = printedSteps(text)[0]?.slice(1) ?? [];
  const wipe = await runTool(['thumbs', '--yes', ...flags], { folder });
  expect(wipe.code, wipe.stdout).toBe(0);
  expect(redis.cli('-n', '1', 'LLEN', 'jobs')).toBe('1');
  expect(redis.cli('-n', '2', 'DBSIZE')).toBe('0');
  expect(redis.cli('-n', '4', 'EXISTS', 'grabber_job:1')).toBe('1');
});

test('two --env-file with different values of a used variable: exit 2, nothing touched', async () => {
  const folder = project({});
  const redis = await twoServices(folder);
  redis.cli('-n', '1', 'RPUSH', 'jobs', message('a1'));
  redis.cli('-n', '2', 'RPUSH', 'jobs', message('b1'));
  const config = (variable: string): string =>
    JSON.stringify({
      services: {
        thumbs: {
          redis: '${REDIS_URL}',
          keyPrefix: 'thumbs_job:',
          celery: { queues: ['jobs'], broker: `\${${variable}}` },
        },
      },
    });
  addFiles(folder, { 'cleanup.config.json': config('CELERY_BROKER_URL') });
  const files = ['services/thumbs/.env', 'services/video-grabber/.env'];
  const flags = files.flatMap((file) => ['--env-file', file]);
  for (const args of [['all', '--yes'], ['all', '--dry-run'], ['stats', 'all'], ['doctor']]) {
    const result = await runTool([...args, ...flags], { folder });
    expect(result.code, args.join(' ')).toBe(2);
    const told = result.stdout + result.stderr;
    for (const part of ['CELERY_BROKER_URL', ...files]) expect(told).toContain(part);
    expect(told).not.toContain('hunter2');
  }
  const queues = (): string[] => ['1', '2'].map((db) => redis.cli('-n', db, 'LLEN', 'jobs'));
  expect(queues()).toEqual(['1', '1']);
  const PATH = process.env['PATH'] ?? '';
  const broker = `redis://:hunter2@127.0.0.1:${redis.port}/2`;
  const env = { PATH, HOME: join(folder, 'home'), CELERY_BROKER_URL: broker };
  const dry = await runTool(['all', '--dry-run', ...flags], { folder, env });
  expect(dry.code, dry.stdout + dry.stderr).toBe(0);
  addFiles(folder, { 'cleanup.config.json': config('REDIS_URL') });
  const unused = await runTool(['all', '--yes', ...flags], { folder });
  expect(unused.code, unused.stdout + unused.stderr).toBe(0);
  expect(queues()).toEqual(['1', '0']);
});

test('a password that must be percent-encoded, and a URL with the host of a container', async () => {
  const folder = project({ 'services/cutter/uploads/a': 'x', 'services/covers/uploads/a': 'x' });
  const password = 'a/b@c:d';
  const redis = await redisOfTest(folder, { password });
  const encoded = encodeURIComponent(password);
  addFiles(folder, {
    'compose.yaml': `services:
  redis: { image: redis, ports: ["${redis.port}:6379"] }
  covers: { build: ./services/covers, env_file: services/covers/.env, command: "celery -A a worker -Q covers", volumes: ["./services/covers/uploads:/u"] }
`,
    'services/covers/.env': `REDIS_URL=redis://:${encoded}@redis:6379/3\n`,
    'services/cutter/.env': `REDIS_HOST=127.0.0.1\nREDIS_PORT=${redis.port}\nREDIS_DB=2\nREDIS_PASSWORD=${password}\nUPLOAD_DIR=./uploads\n`,
  });
  saveJob(redis, 2, 'cutter_job:1');
  saveJob(redis, 3, 'covers_job:1');
  const text = await initIn(folder);
  expect(text).toContain(
    'CUTTER_REDIS_PASSWORD=<REDIS_PASSWORD of services/cutter/.env, percent-encoded>',
  );
  expect(text).toContain(
    `COVERS_REDIS_URL=<REDIS_URL of services/covers/.env, with the host as this machine reaches it: redis://:PASSWORD@127.0.0.1:${redis.port}/3>`,
  );
  expect(text).toContain('chmod 600');
  expect(text).not.toContain(password);
  followByHand(folder, text);
  expect(printedSteps(text)).toEqual([
    ['doctor', '--env-file', 'media-cleanup.env'],
    ['all', '--dry-run', '--env-file', 'media-cleanup.env'],
  ]);
  for (const step of printedSteps(text)) {
    const result = await runTool(step, { folder });
    expect(result.code, step.join(' ') + result.stdout + result.stderr).toBe(0);
  }
  const wipe = await runTool(['all', '--yes', '--env-file', 'media-cleanup.env'], { folder });
  expect(wipe.code, wipe.stdout).toBe(0);
  expect(redis.cli('-n', '2', 'DBSIZE')).toBe('0');
  expect(redis.cli('-n', '3', 'DBSIZE')).toBe('0');
  expect(execFileSync('find', [join(folder, 'services'), '-name', 'a']).toString()).toBe('');
});

test('init run again with the file made by hand names the same variables, and no new ones', async () => {
  const folder = project({});
  await twoServices(folder);
  const text = await initIn(folder);
  const first = readFileSync(join(folder, 'cleanup.config.json'), 'utf8');
  followByHand(folder, text);
  const again = await initIn(folder, '--force', '--env-file', 'media-cleanup.env');
  expect(readFileSync(join(folder, 'cleanup.config.json'), 'utf8')).toBe(first);
  expect(again).not.toContain('chmod');
  expect(again).toMatch(/VIDEO_GRABBER_CELERY_BROKER_URL: set in \S*media-cleanup\.env/);
});

test('the variable of the shipped example is not used where a named env file sets it', async () => {
  const folder = project({
    'compose.yaml': `services:
  audio-transcriber: { build: ./a, command: celery -A a worker -Q t, environment: { REDIS_URL: "redis://127.0.0.1:6379/3" } }
  covers: { build: ./c, env_file: .env, command: celery -A c worker -Q c }
`,
    '.env':
      'REDIS_URL=redis://:hunter2@127.0.0.1:6379/4\nAUDIO_TRANSCRIBER_REDIS_URL=redis://127.0.0.1:6379/9\n',
  });
  await initIn(folder, '--offline');
  expect(written(folder)).toMatchObject({
    'audio-transcriber': { redis: 'redis://127.0.0.1:6379/3' },
    covers: { redis: '${REDIS_URL}' },
  });
});
