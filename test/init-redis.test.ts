/** `init` beside a running Redis and real Celery workers, and the wipe with the config it writes. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { enqueue, startWorker } from './support/celery.ts';
import type { CeleryApp } from './support/celery.ts';
import type { Result } from './support/confine.ts';
import { addFiles, project } from './support/project.ts';
import type { TestRedis } from './support/redis.ts';
import { redisOfTest } from './support/redis-of-test.ts';
import { runTool } from './support/tool.ts';

async function initIn(folder: string, ...args: readonly string[]): Promise<Result> {
  const result = await runTool(['init', ...args], { folder });
  if (result.code !== 0) throw new Error(result.stdout + result.stderr);
  return result;
}

function unwrapped({ stdout }: Result): string {
  return stdout.replaceAll(/\s+/g, ' ');
}

interface Written {
  readonly keyPrefix?: string | readonly string[];
  readonly celery?: { readonly queues: readonly string[] };
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

const env = (redis: TestRedis, db: number, more = ''): string =>
  `REDIS_URL=${redis.url(db)}\nCELERY_BROKER_URL=${redis.url(db)}\n${more}`;

test('prefix and queue of a real worker are written, and the wipe then leaves nothing', async () => {
  const folder = project({ 'services/transcode/uploads/a.mp3': 'x' });
  const redis = await redisOfTest(folder);
  addFiles(folder, { 'services/transcode/.env': env(redis, 2, 'UPLOAD_DIR=./uploads\n') });
  const app: CeleryApp = {
    ...{ folder, broker: redis.url(2), queues: ['transcode_queue'], keyPrefix: 'transcode_job:' },
  };
  const worker = startWorker(app);
  onTestFinished(async () => {
    await worker.stop('kill');
  });
  await worker.waitUntilReady();
  for (const id of ['a1', 'b2', 'c3']) saveJob(redis, 2, `transcode_job:${id}`);
  const before = redis.dump(2);
  const { stdout } = await initIn(folder, '--explain');
  expect(redis.dump(2)).toBe(before);
  expect(written(folder)).toMatchObject({
    transcode: { keyPrefix: 'transcode_job:', celery: { queues: ['transcode_queue'] } },
  });
  expect(stdout).toMatch(/queues transcode_queue: worker worker@\S+ consumes it/);
  expect(stdout).toMatch(/keyPrefix "transcode_job:": 3 keys "transcode_job:\*"/);
  const wipe = await runTool(['all', '--yes', '--json'], { folder });
  expect(wipe.code, wipe.stderr).toBe(0);
  expect(redis.cli('-n', '2', '--scan', '--pattern', 'transcode_job:*')).toBe('');
  expect(execFileSync('find', [join(folder, 'services'), '-name', 'a.mp3']).toString()).toBe('');
});

test('ids of queued tasks tell the prefix, whatever it is called; hashes are jobs too', async () => {
  const folder = project({});
  const redis = await redisOfTest(folder);
  addFiles(folder, { 'services/grabber/.env': env(redis, 1, 'CELERY_QUEUE=grab\n') });
  const app: CeleryApp = { folder, broker: redis.url(1), queues: ['grab'], keyPrefix: 'dl:' };
  enqueue(app, [{ id: '5f0c3a9e-0000-4000-8000-000000000001', save: false }]);
  redis.cli(
    ...['-n', '1', 'HSET', 'dl:5f0c3a9e-0000-4000-8000-000000000001'],
    ...['id', '5f0c3a9e-0000-4000-8000-000000000001', 'status', 'queued'],
  );
  redis.cli('-n', '1', 'SET', 'session:5f0c3a9e', 'somebody else');
  await initIn(folder);
  expect(written(folder)['grabber']?.keyPrefix).toBe('dl:');
});

test.each([
  ['another name, and no task', ['print:1', 'print:2']],
  ['other keys begin with it too', ['grabber:1', 'grabber:2', 'grabber:lock:x']],
  ['no separator', ['grabber1']],
])('no prefix without strong evidence: %s', async (_, keys) => {
  const folder = project({});
  const redis = await redisOfTest(folder);
  addFiles(folder, { 'services/grabber/.env': env(redis, 1) });
  for (const key of keys) {
    if (key.includes('lock')) redis.cli('-n', '1', 'SET', key, 'held');
    else saveJob(redis, 1, key);
  }
  const { stdout } = await initIn(folder);
  expect(written(folder)['grabber']).not.toHaveProperty('keyPrefix');
  expect(stdout).toContain('`keyPrefix` must be filled in');
});

/** The same digits each time: which keys are looked at depends on their names. */
const uuid = (number: number): string =>
  `${(number * 2_654_435_761).toString(16).padStart(8, '0').slice(-8)}-0000-4000-8000-${String(number).padStart(12, '0')}`;

function fill(redis: TestRedis, db: number, values: Readonly<Record<string, string>>): void {
  redis.cli('-n', String(db), 'MSET', ...Object.entries(values).flat());
}

function jobsNamed(prefix: string, count: number): Readonly<Record<string, string>> {
  const ids = Array.from({ length: count }, (_, index) => uuid(index));
  return Object.fromEntries(
    ids.map((id) => [prefix + id, JSON.stringify({ id, status: 'done', created_at: '2026' })]),
  );
}

test('one result of 200 jobs is enough evidence, and each run sees it', async () => {
  const folder = project({});
  const redis = await redisOfTest(folder);
  addFiles(folder, { 'services/grabber/.env': env(redis, 1) });
  fill(redis, 1, jobsNamed('trx:', 200));
  const others = Array.from({ length: 300 }, (_, index) => uuid(1_000 + index));
  const results = [uuid(117), ...others].map((id) => [`celery-task-meta-${id}`, '{}'] as const);
  fill(redis, 1, Object.fromEntries(results));
  redis.cli('-n', '1', 'ZADD', 'trx:recent', '1', uuid(1));
  for (let round = 0; round < 4; round += 1) {
    const { stdout } = await initIn(folder, '--force', '--explain');
    expect(written(folder)['grabber']?.keyPrefix).toBe('trx:');
    expect(stdout).toContain('201 keys "trx:*"');
  }
});

test('a sorted set among the keys does not hide the prefix of one job', async () => {
  const folder = project({});
  const redis = await redisOfTest(folder);
  addFiles(folder, { 'services/grabber/.env': env(redis, 1) });
  saveJob(redis, 1, 'grabber_job:1');
  redis.cli('-n', '1', 'SET', 'grabber_job:note', 'no job');
  redis.cli('-n', '1', 'ZADD', 'grabber_job:recent', '1', '1');
  await initIn(folder);
  expect(written(folder)['grabber']?.keyPrefix).toBe('grabber_job:');
});

test("the shipped example's prefix is left out where the database holds only other jobs", async () => {
  const folder = project({ 'services/video-downloader/downloads/a': 'x' });
  const redis = await redisOfTest(folder);
  addFiles(folder, {
    'services/video-downloader/.env': env(redis, 1, 'DOWNLOAD_DIR=./downloads\n'),
  });
  fill(redis, 1, jobsNamed('trx:', 20));
  const wrong = await initIn(folder);
  expect(written(folder)['video-downloader']).not.toHaveProperty('keyPrefix');
  expect(unwrapped(wrong)).toMatch(
    /`keyPrefix` must be filled in: no key in Redis \S+ begins with "video_job:" of the shipped example; Redis \S+ holds "trx:\*" \(20 keys, /,
  );
  const args = ['video-downloader', '--yes', '--only', 'jobs'];
  const wipe = await runTool(args, { folder });
  expect(wipe.code, wipe.stdout).toBe(1);
  expect(redis.cli('-n', '1', 'DBSIZE')).toBe('20');
  // A single key of the example's prefix is enough, whatever it holds; the others are still named.
  redis.cli('-n', '1', 'SET', 'video_job:1', 'no job');
  const right = await initIn(folder, '--force');
  expect(written(folder)['video-downloader']?.keyPrefix).toBe('video_job:');
  expect(unwrapped(right)).toMatch(/"video_job:" is that of the shipped example; .*"trx:\*"/);
  redis.cli('-n', '1', 'FLUSHDB');
  const empty = await initIn(folder, '--force');
  expect(written(folder)['video-downloader']?.keyPrefix).toBe('video_job:');
  expect(unwrapped(empty)).toContain('media-cleanup doctor says whether');
});

test('a prefix that a file names is written, and what the database holds beside is named', async () => {
  const folder = project({});
  const redis = await redisOfTest(folder);
  addFiles(folder, { 'services/grabber/.env': env(redis, 1, 'JOB_PREFIX=grab:\n') });
  fill(redis, 1, jobsNamed('trx:', 3));
  const result = await initIn(folder);
  expect(written(folder)['grabber']?.keyPrefix).toBe('grab:');
  expect(unwrapped(result)).toContain('is that of JOB_PREFIX; Redis');
});

test('two services in one database: each gets the prefix with its name', async () => {
  const folder = project({});
  const redis = await redisOfTest(folder);
  for (const name of ['waveform', 'covers']) {
    addFiles(folder, { [`services/${name}/.env`]: env(redis, 5, `CELERY_QUEUE=${name}_q\n`) });
  }
  saveJob(redis, 5, 'waveform:job:1');
  saveJob(redis, 5, 'covers:job:2');
  saveJob(redis, 5, 'job:3');
  await initIn(folder);
  expect(written(folder)).toMatchObject({
    waveform: { keyPrefix: 'waveform:job:' },
    covers: { keyPrefix: 'covers:job:' },
  });
});

test('a prefix that is like two services in one database is written for neither', async () => {
  const folder = project({});
  const redis = await redisOfTest(folder);
  for (const name of ['audio-cut', 'audio-mix']) {
    addFiles(folder, { [`services/${name}/.env`]: env(redis, 5, `CELERY_QUEUE=${name}_q\n`) });
  }
  saveJob(redis, 5, 'audio_job:1');
  await initIn(folder);
  for (const one of Object.values(written(folder))) expect(one).not.toHaveProperty('keyPrefix');
});

test('a worker that consumes something else than the file says is told, and not taken', async () => {
  const folder = project({});
  const redis = await redisOfTest(folder);
  addFiles(folder, { 'services/grabber/.env': env(redis, 1, 'CELERY_QUEUE=grab\n') });
  const worker = startWorker({
    ...{ folder, broker: redis.url(1), queues: ['other'], keyPrefix: 'x:' },
  });
  onTestFinished(async () => {
    await worker.stop('kill');
  });
  await worker.waitUntilReady();
  const { stdout } = await initIn(folder);
  expect(stdout).toMatch(/grabber: worker worker@\S+ consumes other .*the files say grab/);
  expect(written(folder)['grabber']?.celery?.queues).toEqual(['grab']);
});

test('a dry run asks no worker, since its reply would be written; --offline asks nobody', async () => {
  const folder = project({});
  const redis = await redisOfTest(folder);
  addFiles(folder, { 'services/grabber/.env': env(redis, 1) });
  saveJob(redis, 1, 'grabber_job:1');
  redis.cli('CONFIG', 'RESETSTAT');
  const dry = await initIn(folder, '--dry-run');
  expect(dry.stdout).toContain('"keyPrefix": "grabber_job:"');
  expect(redis.cli('INFO', 'commandstats')).not.toMatch(/cmdstat_(?:publish|sadd|set|del)\b/);
  const connections = /total_connections_received:(\d+)/;
  const before = connections.exec(redis.cli('INFO', 'stats'))?.[1];
  const offline = await initIn(folder, '--offline', '--dry-run');
  expect(offline.stdout).not.toContain('keyPrefix');
  expect(offline.stderr).not.toContain('did not answer');
  expect(connections.exec(redis.cli('INFO', 'stats'))?.[1]).toBe(String(Number(before) + 1));
});

test('a Redis that hangs costs two seconds for all its databases, and one line', async () => {
  const folder = project({});
  const redis = await redisOfTest(folder);
  for (const [index, name] of ['waveform', 'covers', 'grabber'].entries()) {
    addFiles(folder, { [`services/${name}/.env`]: env(redis, index) });
  }
  redis.pause();
  const { stdout, durationMs } = await initIn(folder);
  redis.resume();
  expect(durationMs).toBeLessThan(5_000);
  const lines = stdout.split('\n').filter((line) => line.includes('prefix not looked up'));
  expect(lines).toEqual([
    expect.stringContaining(`Redis 127.0.0.1:${redis.port} did not answer in time: prefix not`),
  ]);
});

test('the password of .env opens Redis for init and, with --env-file, for the next steps', async () => {
  const folder = project({ 'uploads/a': 'x' });
  const redis = await redisOfTest(folder, { password: 'hunter2' });
  addFiles(folder, {
    '.env': 'REDIS_PASSWORD=hunter2\n',
    'compose.yaml': `services:
  redis: { image: redis:7, ports: ["${redis.port}:6379"] }
  clips:
    image: acme/clips
    command: celery -A a worker -Q clips
    environment: { REDIS_URL: "redis://:\${REDIS_PASSWORD}@redis:6379/4" }
    volumes: ["./uploads:/uploads"]
`,
  });
  saveJob(redis, 4, 'clip_job:1');
  const { stdout } = await initIn(folder);
  expect(written(folder)['clips']?.keyPrefix).toBe('clip_job:');
  const next = stdout.split('\n').filter((line) => /^ {2}media-cleanup /.test(line));
  expect(next.map((line) => line.trim().split(/ {3,}/)[0])).toEqual([
    'media-cleanup doctor --env-file .env',
    'media-cleanup all --dry-run --env-file .env',
  ]);
  expect(stdout).not.toContain('hunter2');
  const without = await runTool(['doctor'], { folder });
  expect(without.code).toBe(2);
  expect(without.stderr).toMatch(/REDIS_PASSWORD` is not set: .*--env-file/);
  expect(without.stderr).not.toContain(':-');
  const doctor = await runTool(['doctor', '--env-file', '.env'], { folder });
  expect(doctor.code, doctor.stdout).toBe(0);
  const stats = await runTool(['stats', 'all', '--env-file', '.env', '--json'], { folder });
  expect(JSON.parse(stats.stdout)).toMatchObject({ total_jobs: 1 });
  const wrong = { ...{ PATH: process.env['PATH'] ?? '' }, REDIS_PASSWORD: 'other' };
  const refused = await runTool(['stats', 'all', '--env-file', '.env'], { folder, env: wrong });
  expect(refused.code).toBe(1);
  const wipe = await runTool(['all', '--yes', '--env-file', '.env'], { folder });
  expect(wipe.code, wipe.stdout).toBe(0);
  expect(redis.cli('-n', '4', 'DBSIZE')).toBe('0');
});

test('--detach gives --env-file to the background', async () => {
  const folder = project({});
  const redis = await redisOfTest(folder, { password: 'hunter2' });
  addFiles(folder, {
    'secrets.env': 'PASSWORD=hunter2\n',
    'cleanup.config.json': JSON.stringify({
      services: {
        s: { redis: `redis://:\${PASSWORD}@127.0.0.1:${redis.port}/0`, keyPrefix: 'j:' },
      },
    }),
  });
  saveJob(redis, 0, 'j:1');
  const args = ['all', '--yes', '--detach', '--json', '--env-file', 'secrets.env'];
  const started = await runTool(args, { folder });
  expect(started.code, started.stderr).toBe(0);
  const waited = await runTool(['status', '--wait', '--json'], { folder });
  expect(waited.code, waited.stdout).toBe(0);
  expect(redis.cli('DBSIZE')).toBe('0');
});

test('a missing env file, and what an env file must not decide', async () => {
  const folder = project({
    'x.env': 'MEDIA_CLEANUP_CONFIG=other.json\nXDG_STATE_HOME=/nowhere\nPREFIX=j:\n',
    'other.json': '{}',
    'uploads/a': 'x',
    'cleanup.config.json': '{ "services": { "s": { "directories": ["uploads"] } } }',
  });
  for (const args of [['all', '--yes'], ['stats', 'all'], ['doctor'], ['init', '--dry-run']]) {
    const missing = await runTool([...args, '--env-file', 'no.env'], { folder });
    // Node.js 20 looks for the file itself, before anything of ours runs, and ends with 9.
    expect(['2', '9']).toContain(String(missing.code));
    expect(missing.stderr).toMatch(/no\.env: (?:it does not exist|not found)/);
  }
  const dry = await runTool(['all', '--dry-run', '--env-file', 'x.env', '--json'], { folder });
  expect(dry.code, dry.stderr).toBe(0);
  expect(JSON.parse(dry.stdout)).toMatchObject({ files_deleted: 1 });
});

test('sockets and sentinels as Celery writes them, and the wipe by the socket', async () => {
  const folder = project({
    'services/thumbs/compose.yaml': `services:
  api:
    build: .
    volumes: ["./run:/sockets", "./uploads:/app/uploads"]
    environment:
      REDIS_URL: unix:///sockets/redis.sock?db=3
`,
    'services/thumbs/uploads/a': 'x',
    'services/watched/.env': `CELERY_BROKER_URL=sentinel://:\${WATCHED_PASSWORD}@127.0.0.1:1/4;sentinel://127.0.0.1:2
WATCHED_PASSWORD=secret-of-the-data
SENTINEL_MASTER_NAME=mymaster
CELERY_QUEUE=watched
`,
  });
  const path = join(folder, 'redis.sock');
  const redis = await redisOfTest(folder, { config: [`unixsocket ${path}`] });
  const socket = `redis+socket://${path}?virtual_host=2`;
  addFiles(folder, { 'services/grabber/.env': `CELERY_BROKER_URL=${socket}\nCELERY_QUEUE=grab\n` });
  for (const db of [0, 2]) saveJob(redis, db, 'grabber_job:1');
  await initIn(folder);
  expect(written(folder)).toMatchObject({
    grabber: { redis: `unix://${path}?db=2`, keyPrefix: 'grabber_job:' },
    thumbs: { redis: `unix://${join(folder, 'services/thumbs/run/redis.sock')}?db=3` },
    watched: {
      redis: {
        sentinels: 'sentinel://:${WATCHED_WATCHED_PASSWORD}@127.0.0.1:1/4;sentinel://127.0.0.1:2',
        name: 'mymaster',
      },
      celery: { queues: ['watched'] },
    },
  });
  const env = { WATCHED_WATCHED_PASSWORD: 'secret-of-the-data' };
  const wipe = await runTool(['grabber', '--yes', '--json'], { folder, env });
  expect(wipe.code, wipe.stderr + wipe.stdout).toBe(0);
  expect(redis.cli('-n', '2', '--scan')).toBe('');
  expect(redis.cli('-n', '0', '--scan')).toBe('grabber_job:1');
});
