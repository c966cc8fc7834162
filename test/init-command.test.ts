/** `init` on real folders: what it writes, what it never writes, and what it refuses. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { init } from '../src/init/init.ts';
import type { InitRequest } from '../src/commands/request.ts';
import { loadConfig } from '../src/config/load.ts';
import { CannotStart } from '../src/errors.ts';
import { initJson, initText } from '../src/report/init-text.ts';
import type { InitOutcome } from '../src/report/initial-config.ts';
import { plainStyle } from '../src/report/style.ts';
import { testFolder } from './support/folder.ts';
import { REPOSITORY } from './support/tool.ts';

type Files = Readonly<Record<string, string>>;

/** Files by path; a path that ends in `/` is a folder. */
function project(files: Files): string {
  const folder = testFolder();
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, name);
    mkdirSync(name.endsWith('/') ? path : dirname(path), { recursive: true });
    if (!name.endsWith('/')) writeFileSync(path, text);
  }
  return folder;
}

async function run(
  folder: string,
  more: Partial<InitRequest> = {},
  env: Readonly<Record<string, string>> = {},
): Promise<InitOutcome> {
  const request = {
    file: undefined,
    from: undefined,
    envFiles: [],
    example: false,
    explain: false,
    offline: true,
    force: false,
    dryRun: false,
    format: 'table',
    color: false,
    ...more,
  } as const;
  return init(
    { command: 'init', ...request },
    { workingDirectory: folder, env, installation: REPOSITORY },
    { ask: undefined, signal: new AbortController().signal },
  );
}

function servicesOf(outcome: InitOutcome): unknown {
  return (JSON.parse(outcome.text) as { services: unknown }).services;
}

async function proposed(files: Files, env: Readonly<Record<string, string>> = {}) {
  const outcome = await run(project(files), {}, env);
  return { outcome, services: servicesOf(outcome), notes: notesOf(outcome) };
}

function notesOf({ notes }: InitOutcome): readonly string[] {
  return notes.map(({ service, message }) =>
    service === undefined ? message : `${service}: ${message}`,
  );
}

async function refusal(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof CannotStart) return `${error.exitCode} ${error.message}`;
    throw error;
  }
  return 'done';
}

const REDIS = `
  redis:
    image: redis:7-alpine
    ports: ["127.0.0.1:6379:6379"]
`;

const MEDIA_SERVICE = (name: string, db: number, queue: string, folders: readonly string[]) => `
services:
  api:
    build: .
    command: uvicorn app.main:app --host 0.0.0.0
    environment: { REDIS_URL: "redis://redis:6379/${db}" }
    volumes: [${['./app:/app/app', ...folders.map((one) => `./${one}:/app/${one}`)].map((one) => `"${one}"`).join(', ')}]
  worker:
    build: .
    container_name: ${name}-worker
    command: celery -A app.celery_app worker --loglevel=info --pool=solo -Q ${queue}
    environment: { REDIS_URL: "redis://redis:6379/${db}" }
    volumes: [${folders.map((one) => `"./${one}:/app/${one}"`).join(', ')}]
`;

describe('the media stack', () => {
  test('three compose files below services, Redis beside them: the shipped config', async () => {
    const folder = project({
      'docker-compose.yml': `services:${REDIS}`,
      'services/audio-transcriber/docker-compose.yml': MEDIA_SERVICE(
        'audio-transcriber',
        3,
        'audio_transcriber_queue',
        ['uploads', 'transcriptions', 'temp', 'models'],
      ),
      'services/audio-normalization/docker-compose.yml': MEDIA_SERVICE(
        'audio-normalization',
        2,
        'audio_normalization_queue',
        ['uploads', 'processed', 'temp'],
      ),
      'services/video-downloader/compose.yaml': MEDIA_SERVICE(
        'video-downloader',
        1,
        'video_downloader_queue',
        ['cache', 'downloads', 'temp'],
      ),
    });
    const outcome = await run(folder);
    const shipped = JSON.parse(
      readFileSync(new URL('../cleanup.config.json', import.meta.url), 'utf8'),
    ) as { services: unknown };
    expect(servicesOf(outcome)).toEqual(shipped.services);
    expect(outcome.problems).toEqual([]);
    expect(loadConfig({ file: outcome.file, env: {} }).services).toHaveLength(3);
    expect(notesOf(outcome).filter((note) => note.includes('./app'))).toHaveLength(3);
  });

  test('one compose file with anchors, a password in .env and all containers', async () => {
    const { outcome, services } = await proposed({
      '.env': 'REDIS_PASSWORD=hunter2\nSTACK_REDIS_PORT=6390\n',
      'docker-compose.yml': `
x-worker: &worker
  restart: unless-stopped
  env_file: .env
services:
  redis:
    image: redis:7
    command: redis-server --requirepass \${REDIS_PASSWORD}
    ports: ["\${STACK_REDIS_PORT:-6379}:6379"]
    volumes: ["redis_data:/data"]
  audio-transcriber-api:
    <<: *worker
    build: ./services/audio-transcriber
    environment: &transcriber
      REDIS_URL: redis://:\${REDIS_PASSWORD}@redis:6379/3
    volumes:
      - ./services/audio-transcriber:/app
      - ./services/audio-transcriber/uploads:/app/uploads
  audio-transcriber-worker:
    <<: *worker
    build: { context: ./services/audio-transcriber, dockerfile: Dockerfile.worker }
    command: celery -A app.celery_app worker --pool=solo -Q audio_transcriber_queue
    environment: { <<: *transcriber, WHISPER_MODEL: base }
    volumes: [./services/audio-transcriber/models:/app/models]
  video_downloader:
    <<: *worker
    build: ./services/video-downloader
    environment: [ "CELERY_BROKER_URL=redis://:\${REDIS_PASSWORD}@redis:6379/1" ]
    volumes: [./services/video-downloader/downloads:/app/downloads]
volumes: { redis_data: }
`,
    });
    expect(services).toEqual({
      'audio-transcriber': {
        redis: 'redis://:${REDIS_PASSWORD}@127.0.0.1:6390/3',
        keyPrefix: 'transcription_job:',
        celery: { queues: ['audio_transcriber_queue'] },
        root: 'services/audio-transcriber',
        directories: ['uploads'],
        models: ['models'],
      },
      'video-downloader': {
        redis: 'redis://:${REDIS_PASSWORD}@127.0.0.1:6390/1',
        keyPrefix: 'video_job:',
        celery: { queues: ['video_downloader_queue'] },
        root: 'services/video-downloader',
        directories: ['downloads'],
      },
    });
    expect(outcome.variables.map(({ name, services: of }) => [name, of])).toEqual([
      ['REDIS_PASSWORD', ['audio-transcriber', 'video-downloader']],
    ]);
    expect(outcome.problems).toEqual([]);
    const all =
      initText(outcome, plainStyle(100)) + JSON.stringify(initJson(outcome)) + outcome.text;
    expect(all).not.toContain('hunter2');
  });

  test('folders alone, with --example: the shipped values, for those that are there', async () => {
    const folder = project({ 'services/video-downloader/downloads/': '', 'services/other/': '' });
    const outcome = await run(folder, { example: true });
    const [services, notes] = [servicesOf(outcome), notesOf(outcome)];
    expect(Object.keys(services as object)).toEqual(['video-downloader']);
    expect(outcome.isTemplate).toBe(true);
    expect(notes.join()).toContain('(video-downloader)');
  });

  test('nothing at all: refused, and nothing written; with --example the example', async () => {
    const folder = project({});
    expect(await refusal(run(folder))).toMatch(
      /^2 Nothing found, .*docker-compose\.yml.*--from.*--example/,
    );
    expect(readdirSync(folder)).toEqual([]);
    const outcome = await run(folder, { example: true });
    const [services, notes] = [servicesOf(outcome), notesOf(outcome)];
    expect(Object.keys(services as object)).toHaveLength(3);
    expect(outcome.isTemplate).toBe(true);
    expect(notes.join()).toContain('only an example');
  });
});

describe('Redis', () => {
  const one = (environment: string, redis = REDIS): Files => ({
    'compose.yaml': `services:${redis}
  app:
    build: ./app
    command: celery -A app worker
    environment: ${environment}
`,
  });

  test('environment as a list, broker and results apart, another published port', async () => {
    const { services } = await proposed(
      one(
        '["CELERY_BROKER_URL=redis://redis:6379/0", "CELERY_RESULT_BACKEND=redis://redis:6379/1", "REDIS_URL=redis://redis/4"]',
        '\n  redis: { image: valkey/valkey:8, ports: [{ target: 6379, published: "6400", host_ip: 0.0.0.0 }] }\n',
      ),
    );
    expect(services).toEqual({
      app: {
        redis: 'redis://127.0.0.1:6400/4',
        celery: {
          queues: ['celery'],
          broker: 'redis://127.0.0.1:6400/0',
          resultBackend: 'redis://127.0.0.1:6400/1',
        },
      },
    });
  });

  test('a literal password becomes the variable of its entry, with what to put into it', async () => {
    const { outcome, services } = await proposed(
      one('{ REDIS_URL: "redis://app:s3cr3t/@redis:6379/2" }'),
    );
    expect(services).toEqual({ app: { redis: '${REDIS_URL}', celery: { queues: ['celery'] } } });
    expect(outcome.variables).toMatchObject([
      { name: 'REDIS_URL', value: 'redis://app:<password>@127.0.0.1:6379/2' },
    ]);
    expect(JSON.stringify(outcome)).not.toContain('s3cr3t');
  });

  test('host, port, database and password apart, as TLS', async () => {
    const { outcome, services } = await proposed({
      ...one(
        '{ REDIS_HOST: cache.example.com, REDIS_PORT: 6380, REDIS_DB: 5, REDIS_SSL: "true", REDIS_PASSWORD: "${CACHE_PASSWORD}" }',
      ),
      '.env': "CACHE_PASSWORD='pa$$word'\n",
    });
    expect(services).toMatchObject({
      app: { redis: 'rediss://:${CACHE_PASSWORD}@cache.example.com:6380/5' },
    });
    expect(outcome.variables[0]?.value).toContain('percent-encoded');
    expect(JSON.stringify(outcome)).not.toContain('pa$');
  });

  test.each([
    ['{ REDIS_URL: "redis://:p@redis/2" }', 'REDIS_URL of compose.yaml, with the host as'],
    ['{ REDIS_URL: "redis://:p@127.0.0.1/2" }', 'REDIS_URL of compose.yaml'],
    ['{ REDIS_URL: "redis://:a/b@redis/2" }', 'with the password percent-encoded'],
    [
      '{ REDIS_URL: "redis://:x${P}@127.0.0.1/2" }',
      'compose.yaml, with the values of the variables',
    ],
    ['{ REDIS_HOST: redis, REDIS_PASSWORD: "a@b" }', 'REDIS_PASSWORD of compose.yaml, percent'],
    ['{ REDIS_HOST: redis, REDIS_PASSWORD_FILE: /run/s }', 'file that REDIS_PASSWORD_FILE of comp'],
    ['{ REDIS_HOST: redis, REDIS_PASSWORD: "${OUTER}" }', 'OUTER of the environment that init'],
    ['{ REDIS_HOST: redis, REDIS_PASSWORD: "${UNSET}" }', 'UNSET, which is set neither here'],
  ])('a value that must be set by hand: %s', async (environment, place) => {
    const files = { ...one(environment), '.env': 'P=q\nREDIS_URL=redis://:other@127.0.0.1/7\n' };
    const { outcome } = await proposed(files, { OUTER: 'hunter2' });
    expect(outcome.variables).toHaveLength(1);
    expect(outcome.variables[0]?.source).toContain(place);
    expect(outcome.variables[0]?.envFile).toBeUndefined();
    expect(initText(outcome, plainStyle(Infinity))).toContain(`${outcome.variables[0]?.name}=<`);
    expect(outcome.problems).toEqual([]);
  });

  test('one variable name for two different passwords: the second gets its own', async () => {
    const service = (password: string): Files => ({
      '.env': `REDIS_PASSWORD=${password}\n`,
      'compose.yaml': `services: { app: { build: ., command: celery -A a worker -Q q, environment: { REDIS_URL: "redis://:\${REDIS_PASSWORD}@127.0.0.1:6379/0" } } }`,
    });
    const below = (name: string, files: Files): Files =>
      Object.fromEntries(
        Object.entries(files).map(([key, text]) => [`services/${name}/${key}`, text]),
      );
    const { outcome } = await proposed({
      ...below('alpha', service('first')),
      ...below('beta', {
        ...service('second'),
        'compose.yaml': (service('second')['compose.yaml'] ?? '').replace('6379/0', '6379/1'),
      }),
    });
    expect(outcome.variables.map(({ name }) => name).toSorted()).toHaveLength(2);
    expect(new Set(outcome.variables.map(({ name }) => name)).size).toBe(2);
  });

  test('a port that is not published, and a host that nothing describes, stay and are told', async () => {
    const hidden = await proposed(
      one('{ REDIS_URL: "redis://redis:6379/0" }', '\n  redis: { image: redis }\n'),
    );
    expect(hidden.services).toMatchObject({ app: { redis: 'redis://redis:6379/0' } });
    expect(hidden.notes.join('\n')).toContain('add `ports: ["127.0.0.1:6379:6379"]`');
    const strange = await proposed(one('{ REDIS_URL: "redis://elsewhere:6379/0" }'));
    expect(strange.notes.join('\n')).toContain('no compose file here has a service `elsewhere`');
  });

  test('RabbitMQ is no Redis: no queue, and the jobs of its Redis must be told', async () => {
    const { services, notes } = await proposed({
      'compose.yaml': `services:${REDIS}
  app:
    build: .
    command: celery -A app worker -Q jobs
    environment: { CELERY_BROKER_URL: "amqp://guest:guest@rabbit//", REDIS_URL: "redis://redis/1" }
    volumes: ["./uploads:/u"]
`,
    });
    expect(Object.values(services as object)).toEqual([
      { redis: 'redis://127.0.0.1:6379/1', directories: ['uploads'] },
    ]);
    expect(notes.join('\n')).toContain('`keyPrefix` must be filled in');
    expect(notes.join('\n')).toContain('CELERY_BROKER_URL is not Redis but amqp');
    expect(notes.join()).not.toContain('guest');
  });
});

describe('queues and groups', () => {
  test('an API, two workers and a scheduler of one build are one service; infrastructure is none', async () => {
    const { services } = await proposed({
      'docker-compose.yml': `services:${REDIS}
  db: { image: "postgres:16", volumes: ["./data/cache:/var/lib/postgresql/data"] }
  flower: { image: mher/flower, environment: { CELERY_BROKER_URL: "redis://redis/0" } }
  api: { build: ./backend, environment: { CELERY_BROKER_URL: "redis://redis/0" }, volumes: ["./data/uploads:/u"] }
  worker-fast: { build: ./backend, command: [celery, -A, a, worker, "--queues=fast,urgent"], environment: { CELERY_BROKER_URL: "redis://redis/0" } }
  worker-slow:
    build: ./backend
    command: >
      sh -c "python manage.py migrate && exec celery -A a worker
      -c 2 -Q slow"
    environment: { CELERY_BROKER_URL: "redis://redis/0" }
  beat: { build: ./backend, command: celery -A a beat, environment: { CELERY_BROKER_URL: "redis://redis/0" } }
`,
    });
    expect(services).toEqual({
      backend: {
        redis: 'redis://127.0.0.1:6379/0',
        celery: { queues: ['fast', 'urgent', 'slow'] },
        root: 'data',
        directories: ['uploads'],
      },
    });
  });

  test('one image for two applications with databases of their own: two services', async () => {
    const { services } = await proposed({
      'compose.yml': `services:${REDIS}
  cutter: { build: ., command: celery -A a worker -Q cut, environment: { REDIS_URL: "redis://redis/1" }, volumes: ["./cut/temp:/t"] }
  mixer: { build: ., command: celery -A a worker -Q mix, environment: { REDIS_URL: "redis://redis/2" }, volumes: ["./mix/temp:/t"] }
`,
    });
    expect(services).toMatchObject({
      cutter: { redis: 'redis://127.0.0.1:6379/1', celery: { queues: ['cut'] }, root: 'cut' },
      mixer: { redis: 'redis://127.0.0.1:6379/2', celery: { queues: ['mix'] }, root: 'mix' },
    });
  });

  test('an API of another image belongs to the only worker of its broker', async () => {
    const { services, outcome } = await proposed({
      'compose.yml': `services:${REDIS}
  api: { image: acme/api, environment: { CELERY_BROKER_URL: "redis://redis/0" }, volumes: ["./uploads:/u"] }
  worker: { image: acme/worker, command: celery -A a worker -Q jobs, environment: { CELERY_BROKER_URL: "redis://redis/0" } }
`,
    });
    expect(Object.values(services as object)).toMatchObject([
      { celery: { queues: ['jobs'] }, directories: ['uploads'] },
    ]);
    expect(outcome.problems).toEqual([]);
  });

  test('profiles, extends and an overriding file', async () => {
    const { services, notes } = await proposed({
      'docker-compose.yml': `services:${REDIS}
  base: { build: ./app, environment: { REDIS_URL: "redis://redis/0" }, volumes: ["./uploads:/u"] }
  worker: { extends: { service: base }, command: celery -A a worker -Q one, profiles: [gpu] }
  other: { extends: { file: common.yml, service: x }, image: acme/other, environment: { REDIS_URL: "redis://redis/9" } }
include: [more.yml]
`,
      'docker-compose.override.yml': `services:
  redis: { ports: !override ["6401:6379"] }
  worker: { command: celery -A a worker -Q two, volumes: ["./temp:/t"] }
`,
    });
    expect(services).toMatchObject({
      app: {
        redis: 'redis://127.0.0.1:6401/0',
        celery: { queues: ['two'] },
        directories: ['uploads', 'temp'],
      },
    });
    expect(notes.join('\n')).toMatch(/only with the profile gpu/);
    expect(notes.join('\n')).toMatch(/other extends x of common\.yml, which is not followed/);
    expect(notes.join('\n')).toMatch(/`include` is not followed/);
  });
});

describe('what the shipped example says and the files do not', () => {
  test('is named as the shipped example, with the values', async () => {
    const { notes, outcome } = await proposed({
      'services/audio-transcriber/compose.yaml': `services:
  api: { build: ., environment: { REDIS_URL: "redis://127.0.0.1/3", OLD_REDIS_URL: "redis://127.0.0.1/4" } }
  worker: { build: ., command: celery -A a worker -Q whisper, environment: { REDIS_URL: "redis://127.0.0.1/3" } }
`,
    });
    expect(notes).toEqual(
      expect.arrayContaining([
        expect.stringContaining(
          'keyPrefix "transcription_job:" is that of the shipped example; media-cleanup doctor says',
        ),
        expect.stringContaining(
          'queues "whisper": its worker consumes them, and the shipped example has "audio_transcriber_queue"',
        ),
        expect.stringContaining('"redis" is that of REDIS_URL'),
      ]),
    );
    const text = initText(outcome, plainStyle(Infinity), true);
    expect(text).not.toMatch(/documented|the former|taken/);
    expect(text).toContain('keyPrefix "transcription_job:": the shipped example');
  });
});

describe('folders that are never proposed', () => {
  const mounts = (...volumes: readonly string[]): Files => ({
    'compose.yaml': `services: { app: { build: ., volumes: ${JSON.stringify(volumes)} } }`,
  });
  const entries = (services: unknown): unknown =>
    Object.values(services as Record<string, { directories?: unknown; models?: unknown }>)
      .flatMap(({ directories, models }) => [directories, models])
      .flat()
      .filter((entry) => entry !== undefined);

  test.each([
    ['the project', '.:/app'],
    ['the project by another name', './uploads/..:/app'],
    ['its source', './src:/app/src'],
    ['below the source', './src/cache:/app/cache'],
    ['models of an ORM', './app/models:/app/models'],
    ['the root', '/:/host'],
    ['another place', '/srv/uploads:/uploads'],
    ['the home directory', '~/downloads:/downloads'],
    ['beside the project', '../uploads:/uploads'],
    ['anything at all', './data:/data'],
    ['a library', './media:/media'],
    ['where the program is', './temp:/app'],
    ['only read', './uploads:/uploads:ro'],
    ['an unset variable', './${TENANT}/uploads:/uploads'],
    ['a variable alone', '${NOWHERE}/uploads:/uploads'],
    ['named like code', './upload_handlers:/x'],
    ['a named volume', 'uploads:/uploads'],
  ])('%s', async (_, volume) => {
    const { services, notes } = await proposed(mounts('./processed:/p', volume));
    if (volume === '.:/app') expect(notes.join('\n')).toContain('.: the project itself');
    expect(entries(services)).toEqual(['processed']);
    expect(notes.filter((note) => note.includes('not proposed'))).toHaveLength(1);
  });

  test.each([
    ['Python', 'cache/cache.py'],
    ['a repository', 'cache/.git/HEAD'],
    ['a build context', 'cache/Dockerfile'],
  ])('what holds %s', async (_, file) => {
    const { services, notes } = await proposed({
      ...mounts('./temp:/t', './cache:/c'),
      [file]: '',
    });
    expect(entries(services)).toEqual(['temp']);
    expect(notes.join('\n')).toContain('./cache: it holds source code');
  });

  test('a link out of the project, to the source, to nowhere; a file', async () => {
    const folder = project({
      ...mounts('./temp:/t', './uploads:/u', './cache:/c', './outputs:/o', './results:/r'),
      'app/main.py': '',
      results: 'a file',
    });
    symlinkSync(testFolder(), join(folder, 'uploads'));
    symlinkSync('app', join(folder, 'cache'));
    symlinkSync('missing', join(folder, 'outputs'));
    const outcome = await run(folder);
    expect(entries(servicesOf(outcome))).toEqual(['temp']);
    expect(notesOf(outcome).filter((note) => note.includes('not proposed'))).toHaveLength(4);
  });

  test('what another build is made from, and where the config will be', async () => {
    const folder = project({
      'compose.yaml':
        'services: { app: { build: ., volumes: ["./temp:/t", "./output:/o", "./downloads:/d"] }, b: { build: ./downloads/b } }',
      'output/deeper/': '',
    });
    const outcome = await run(folder, { file: 'output/deeper/x.json' });
    expect(entries(servicesOf(outcome))).toEqual(['temp']);
  });

  test('shared by two services: neither', async () => {
    const { services, notes } = await proposed({
      'compose.yaml': `services:${REDIS}
  a: { build: ./one, command: celery -A a worker -Q a, environment: { REDIS_URL: "redis://redis/1" }, volumes: ["./shared/temp:/t"] }
  b: { build: ./two, command: celery -A a worker -Q b, environment: { REDIS_URL: "redis://redis/2" }, volumes: ["./shared:/s", "./shared/temp:/t"] }
`,
    });
    expect(entries(services)).toEqual([]);
    expect(notes.join('\n')).toContain("a wipe of one would take the other's files");
  });

  test('when the project is the home directory: nothing', async () => {
    const folder = project(mounts('./downloads:/d'));
    expect(await refusal(run(folder, {}, { HOME: folder }))).toMatch(
      /^2 .*the project is the home directory/,
    );
  });

  test('what is proposed: a device of a named volume, a cache of models, what keeps a placeholder', async () => {
    const { services } = await proposed({
      'compose.yaml': `services:
  app: { build: ., volumes: ["up:/uploads", "./model_cache:/root/.cache/whisper", "./temp:/t"] }
volumes: { up: { driver: local, driver_opts: { type: none, o: bind, device: "\${PWD_DIR:-./data}/uploads" } } }
`,
      'temp/.gitkeep': '',
    });
    expect(Object.values(services as object)).toEqual([
      {
        directories: ['data/uploads', { path: 'temp', keep: ['.gitkeep'] }],
        models: ['model_cache'],
      },
    ]);
  });
});

describe('an .env without a compose file', () => {
  test('its Redis, and the folders beside it that hold data', async () => {
    const { services } = await proposed({
      'services/encoder/.env':
        'export REDIS_URL="redis://localhost:6379/7" # local\nCELERY_QUEUE=encode\n',
      'services/encoder/uploads/a': '',
      'services/encoder/src/main.py': '',
    });
    expect(services).toEqual({
      encoder: {
        redis: 'redis://localhost:6379/7',
        celery: { queues: ['encode'] },
        root: 'services/encoder',
        directories: ['uploads'],
      },
    });
  });
});

describe('a service folder is proposed, or a note says why not', () => {
  const env = (db: number): string => `REDIS_URL=redis://127.0.0.1:6379/${db}\n`;

  test('a compose file with nothing but Redis beside an .env', async () => {
    const { services } = await proposed({
      'services/covers/.env': 'REDIS_URL=redis://redis:6379/3\n',
      'services/covers/uploads/a': '',
      'services/covers/compose.yaml': 'services: { redis: { image: redis, ports: ["6401:6379"] } }',
      'services/empty/.env': env(5),
      'services/empty/compose.yaml': 'services: {}',
      'services/plain/.env': env(4),
    });
    expect(services).toMatchObject({
      covers: { redis: 'redis://127.0.0.1:6401/3', directories: ['uploads'] },
      empty: { redis: 'redis://127.0.0.1:6379/5' },
      plain: { redis: 'redis://127.0.0.1:6379/4' },
    });
  });

  test('folders whose files say nothing, and folders without files', async () => {
    const { services, notes } = await proposed({
      'docker-compose.yml': `services: { built: { build: ./services/built, command: "celery -A a worker -Q b", environment: { REDIS_URL: "redis://127.0.0.1/1" } } }`,
      'services/built/main.py': '',
      'services/plain/.env': env(4),
      'services/quiet/compose.yaml': 'services: { web: { image: acme/web } }',
      'services/store/compose.yaml': 'services: { redis: { image: redis } }',
      'services/bare/uploads/a': '',
      'services/settings/.env': 'GREETING=hello\n',
    });
    expect(Object.keys(services as object)).toEqual(['built', 'plain']);
    const text = notes.join('\n');
    expect(text).toContain(
      'quiet: services/quiet is not proposed: services/quiet/compose.yaml: names no Redis',
    );
    expect(text).toContain(
      'store: services/store is not proposed: services/store/compose.yaml: holds nothing but redis',
    );
    expect(text).toMatch(/bare: services\/bare is not proposed: no compose file/);
    expect(text).toMatch(/settings: services\/settings is not proposed: services\/settings\/\.env/);
    expect(text).not.toMatch(/services\/(?:built|plain) is not proposed/);
    const elsewhere = await proposed({
      'a/.env': env(1),
      'b/compose.yaml': 'services: { redis: { image: redis } }',
      'src/main.py': '',
    });
    expect(elsewhere.notes.join('\n')).toContain('b is not proposed: b/compose.yaml: holds');
    expect(elsewhere.notes.join('\n')).not.toContain('src');
  });
});

describe('the file', () => {
  const COMPOSE = { 'compose.yaml': 'services: { app: { build: ., volumes: ["./temp:/t"] } }' };

  test('has a schema, mode 644 whatever the umask, and nothing is left beside it', async () => {
    const folder = project({ ...COMPOSE, 'cleanup.config.schema.json': '{}' });
    const outcome = await run(folder);
    expect(readFileSync(outcome.file, 'utf8')).toBe(outcome.text);
    expect(outcome.text.startsWith('{\n  "$schema": "./cleanup.config.schema.json",\n')).toBe(true);
    expect(statSync(outcome.file).mode & 0o777).toBe(0o644);
    expect(readdirSync(folder).toSorted()).toEqual([
      ...['cleanup.config.json', 'cleanup.config.schema.json', 'compose.yaml'],
    ]);
  });

  test('is not replaced without --force, a link that leads nowhere neither', async () => {
    const folder = project({ ...COMPOSE, 'cleanup.config.json': 'mine' });
    expect(await refusal(run(folder))).toMatch(/^2 .*exists already: pass --force to replace it/);
    expect(readFileSync(join(folder, 'cleanup.config.json'), 'utf8')).toBe('mine');
    symlinkSync('nowhere', join(folder, 'link.json'));
    expect(await refusal(run(folder, { file: 'link.json' }))).toMatch(/^2 .*exists already/);
    expect(existsSync(join(folder, 'nowhere'))).toBe(false);
    chmodSync(join(folder, 'cleanup.config.json'), 0o600);
    const outcome = await run(folder, { force: true });
    expect(outcome.state).toBe('replaced');
    expect(readFileSync(outcome.file, 'utf8')).toBe(outcome.text);
    expect(statSync(outcome.file).mode & 0o777).toBe(0o600);
  });

  test('a dry run writes nothing, also beside an existing file', async () => {
    const folder = project({ ...COMPOSE, 'cleanup.config.json': 'mine' });
    expect((await run(folder, { dryRun: true })).state).toBe('shown');
    expect(readFileSync(join(folder, 'cleanup.config.json'), 'utf8')).toBe('mine');
    expect(readdirSync(folder)).toHaveLength(2);
  });

  test('elsewhere: the root in full, and the next steps name it', async () => {
    const folder = project({ ...COMPOSE, 'etc/media/': '' });
    const outcome = await run(folder, { file: 'etc/media/c.json', from: 'compose.yaml' });
    expect(Object.values(servicesOf(outcome) as object)).toMatchObject([{ root: folder }]);
    expect(initText(outcome, plainStyle(200))).toContain(`doctor --config ${outcome.file}`);
  });

  test('a place that is not there, or is a folder', async () => {
    const folder = project({ ...COMPOSE, 'temp/': '' });
    expect(await refusal(run(folder, { file: 'no/x.json' }))).toMatch(/^2 .*create it first/);
    expect(await refusal(run(folder, { file: 'temp', force: true }))).toMatch(
      /^2 .*is a directory/,
    );
    expect(await refusal(run(folder, { from: 'no.yml' }))).toMatch(/^2 .*does not exist/);
  });
});

describe('files that cannot be read', () => {
  test.each([
    ['a tab', 'services:\n\tapp: 1\n', 'compose.yaml:2:'],
    ['two of one key', 'services:\n  a: {}\n  a: {}\n', 'compose.yaml:3:3'],
    ['an alias without its anchor', 'services:\n  a: *nope\n', 'compose.yaml:2:6'],
    ['a bracket', 'services: [\n', 'compose.yaml:'],
  ])('%s', async (_, text, place) => {
    const folder = project({ 'compose.yaml': text });
    const message = await refusal(run(folder));
    expect(message).toMatch(/^2 cannot read /);
    expect(message).toContain(place);
    expect(existsSync(join(folder, 'cleanup.config.json'))).toBe(false);
  });

  test('an error quotes no value', async () => {
    const text =
      'services:\n  a:\n    environment:\n      X: "redis://:hunter2@r\n      - ]hunter2: "hunter2"\n';
    expect(await refusal(run(project({ 'compose.yaml': text })))).not.toContain('hunter2');
  });

  test('aliases that unfold without end, and a file that is too long', async () => {
    const bomb = Array.from({ length: 9 }, (_, index) =>
      index === 0
        ? 'a0: &a0 [x, x, x, x, x, x, x, x, x, x]'
        : `a${index}: &a${index} [${Array(10)
            .fill(`*a${index - 1}`)
            .join(', ')}]`,
    );
    expect(await refusal(run(project({ 'compose.yaml': bomb.join('\n') })))).toContain('unfold');
    const long = `services: {}\n${'# long\n'.repeat(200_000)}`;
    expect(await refusal(run(project({ 'compose.yaml': long })))).toContain('larger than 1 MiB');
  });

  test('no services, odd values and a folder by that name do not stop it', async () => {
    const folder = project({
      'compose.yaml': 'version: "3"\nservices:\n',
      'services/a/compose.yml': '- 1\n',
      'services/b/compose.yml':
        'services: { x: , z: { volumes: 3, ports: {}, environment: [1, null], command: [2, {}] } }',
    });
    expect(await refusal(run(folder))).toMatch(/^2 Nothing found.*holds no services/);
  });

  test.each(['services: { x: 7 }', 'services: { x: [1] }', 'services: { x: text }'])(
    '%s is no compose file',
    async (text) => {
      expect(await refusal(run(project({ 'compose.yaml': `\n${text}` })))).toBe(
        '2 cannot read compose.yaml:2:13: a service must be a mapping',
      );
    },
  );

  test('in the folder of one service: a note, and the others are proposed', async () => {
    const env = { '.env': 'REDIS_URL=redis://127.0.0.1/4\n', 'uploads/a': '' };
    const of = (name: string, files: Files): Files =>
      Object.fromEntries(
        Object.entries(files).map(([key, text]) => [`services/${name}/${key}`, text]),
      );
    const { services, notes } = await proposed({
      ...of('whole', env),
      ...of('bracket', { ...env, 'docker-compose.yml': 'services: [oops\n' }),
      ...of('number', { ...env, 'docker/compose.yaml': 'services: { b: 7 }\n' }),
    });
    expect(Object.keys(services as object)).toEqual(['whole']);
    expect(notes.join('\n')).toMatch(
      /bracket: services\/bracket is not read: cannot read services\/bracket\/docker-compose\.yml:\d+:\d+: /,
    );
    expect(notes.join('\n')).toContain(
      'number: services/number is not read: cannot read services/number/docker/compose.yaml:1:13: a service must be a mapping',
    );
    const broken = of('bracket', { ...env, 'docker-compose.yml': 'services: [oops\n' });
    expect(await refusal(run(project(broken)))).toMatch(/^2 cannot read services\/bracket/);
  });

  test('that of the stack: a note, and what folders say by themselves is proposed', async () => {
    const { services, notes } = await proposed({
      'docker-compose.yml': 'services: [oops\n',
      'services/whole/.env': 'REDIS_URL=redis://127.0.0.1/4\n',
    });
    expect(Object.keys(services as object)).toEqual(['whole']);
    expect(notes.join('\n')).toMatch(/docker-compose\.yml:\d+:\d+: .*of the services is missing/);
  });
});
