/** `init` where several files describe a stack: one deployment a service, and where values come from. */
import { existsSync, readFileSync, readdirSync, realpathSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import type { DeploymentQuestion } from '../src/init/deployments.ts';
import { loadConfig } from '../src/config/load.ts';
import { init } from '../src/init/init.ts';
import { initJson, initText } from '../src/report/init-text.ts';
import type { InitOutcome } from '../src/report/initial-config.ts';
import { plainStyle } from '../src/report/style.ts';
import { project } from './support/project.ts';
import type { Files } from './support/project.ts';
import { startOnTerminal } from './support/terminal.ts';
import { REPOSITORY, toolEnvironment } from './support/tool.ts';

interface Service {
  readonly redis?: string;
  readonly celery?: { readonly queues: readonly string[]; readonly broker?: string };
  readonly root?: string;
  readonly directories?: readonly string[];
  readonly models?: readonly string[];
}

interface Run {
  readonly outcome: InitOutcome;
  readonly services: Readonly<Record<string, Service>>;
  readonly notes: string;
  readonly text: string;
}

async function initIn(
  folder: string,
  ask?: (question: DeploymentQuestion) => Promise<number>,
  env: Readonly<Record<string, string>> = {},
): Promise<Run> {
  const outcome = await init(
    {
      ...{ command: 'init', file: undefined, from: undefined, envFiles: [], force: true },
      ...{ example: false, explain: true, offline: true, dryRun: false },
      ...{ format: 'table', color: false },
    },
    { workingDirectory: folder, env, installation: REPOSITORY },
    { ask, signal: new AbortController().signal },
  );
  return {
    outcome,
    services: (JSON.parse(outcome.text) as { services: Record<string, Service> }).services,
    notes: outcome.notes.map(({ service, message }) => `${service ?? ''}: ${message}`).join('\n'),
    text: initText(outcome, plainStyle(Infinity), true),
  };
}

const run = async (files: Files): Promise<Run> => initIn(project(files));

/** Of all services, relative to the config's folder. */
function paths({ services }: Run): readonly string[] {
  return Object.values(services).flatMap(({ root = '', directories = [], models = [] }) =>
    [...directories, ...models].map((path) => join(root, path)),
  );
}

const WHICH = 'Which one is to be reset? [1]';

const TWO: Files = {
  'docker-compose.yml': `services:
  transcode:
    build: ./services/transcode
    volumes: ["./services/transcode/uploads:/app/uploads"]
    environment: ["REDIS_URL=redis://127.0.0.1:6379/0"]
  thumbs:
    build: ./services/thumbs
    command: celery -A a worker -Q thumbs
    volumes: ["./services/thumbs/cache:/app/cache"]
    environment: ["REDIS_URL=redis://127.0.0.1:6379/7"]
`,
  'services/transcode/docker-compose.yml': `services:
  api:
    build: .
    volumes: ["./uploads:/app/uploads"]
    env_file: [.env]
`,
  'services/transcode/.env': 'REDIS_URL=redis://127.0.0.1:6379/3\nCELERY_BROKER_URL=${REDIS_URL}\n',
  'services/transcode/uploads/a': '',
  'services/thumbs/main.py': '',
};

describe('several deployments of one service', () => {
  test('the one in its own folder, whole; the other is named with what it says', async () => {
    const { services, notes } = await run(TWO);
    expect(services['transcode']).toEqual({
      redis: 'redis://127.0.0.1:6379/3',
      celery: { queues: ['celery'] },
      root: 'services/transcode',
      directories: ['uploads'],
    });
    expect(services['thumbs']).toMatchObject({ redis: 'redis://127.0.0.1:6379/7' });
    expect(Object.keys(services)).toHaveLength(2);
    expect(notes).toContain(
      'transcode: settings are those of services/transcode/docker-compose.yml; docker-compose.yml describes the service too and is not used: Redis 127.0.0.1:6379/0 instead of 127.0.0.1:6379/3',
    );
  });

  test('asked on a terminal; the answer is taken whole', async () => {
    const asked: DeploymentQuestion[] = [];
    const { services, notes } = await initIn(project(TWO), async (question) => {
      asked.push(question);
      return Promise.resolve(1);
    });
    expect(asked).toEqual([
      {
        service: 'transcode',
        options: [
          {
            file: 'services/transcode/docker-compose.yml',
            says: 'Redis 127.0.0.1:6379/3; directories services/transcode/uploads',
          },
          {
            file: 'docker-compose.yml',
            says: 'Redis 127.0.0.1:6379/0; directories services/transcode/uploads',
          },
        ],
      },
    ]);
    expect(services['transcode']?.redis).toBe('redis://127.0.0.1:6379/0');
    expect(notes).toContain('settings are those of docker-compose.yml; services/transcode/');
  });

  test.each([
    ['1\r', '/3'],
    ['\r', '/3'],
    ['x\r', '2\r', '/0'],
    ['x\r2\r', '\r', '/3'],
    ['\x04', '/3'],
  ])('the question on a real terminal, answered %j', async (first, ...more) => {
    const folder = project(TWO);
    const env = { ...toolEnvironment(folder), TERM: 'xterm' };
    const terminal = startOnTerminal(['init', '--offline'], { folder, env });
    await terminal.waitForScreen(WHICH);
    terminal.write(first);
    const database = more.pop() ?? '';
    for (const answer of more) {
      await vi.waitFor(() => expect(terminal.stdout().split(WHICH)).toHaveLength(3), 5_000);
      terminal.write(answer);
    }
    const { code, stdout } = await terminal.result;
    expect(code, stdout).toBe(0);
    const text = readFileSync(join(folder, 'cleanup.config.json'), 'utf8');
    expect(text).toContain(`"redis": "redis://127.0.0.1:6379${database}"`);
  });

  test.each(['2\r', '2', '2\r2\r2\r', '\x04'])(
    'what is typed before the question is no answer: %j',
    async (typed) => {
      const folder = project(TWO);
      const env = { ...toolEnvironment(folder), TERM: 'xterm' };
      const terminal = startOnTerminal(['init', '--offline'], { folder, env });
      terminal.write(typed);
      await terminal.waitForScreen(WHICH);
      await sleep(300);
      expect(terminal.stdout()).toContain('Input typed before the question was discarded.');
      expect(existsSync(join(folder, 'cleanup.config.json'))).toBe(false);
      terminal.write('1\r');
      const { code, stdout } = await terminal.result;
      expect(code, stdout).toBe(0);
      expect(readFileSync(join(folder, 'cleanup.config.json'), 'utf8')).toContain('6379/3"');
    },
  );

  test('three: root, own folder, and a docker folder in that', async () => {
    const { services, notes } = await run({
      ...TWO,
      'services/transcode/docker/compose.yaml':
        'services: { transcode: { build: .., environment: { REDIS_URL: "redis://127.0.0.1/9" }, volumes: ["../temp:/t"] } }',
    });
    expect(services['transcode']?.redis).toBe('redis://127.0.0.1:6379/3');
    expect(services['transcode']?.directories).toEqual(['uploads']);
    expect(Object.keys(services).toSorted()).toEqual(['thumbs', 'transcode']);
    expect(notes).toMatch(/docker\/compose\.yaml describes .*Redis 127\.0\.0\.1:6379\/9 .*temp/);
  });

  test('an .env beside the code and a compose file above: the nearest where they differ', async () => {
    const root = `services: { grabber: { build: ./services/grabber, command: "celery -A a worker -Q grab", environment: { REDIS_URL: "redis://127.0.0.1/2" }, volumes: ["./services/grabber/temp:/t"] } }`;
    const env = (db: number): Files => ({
      'compose.yaml': root,
      'services/grabber/.env': `REDIS_URL=redis://localhost:6379/${db}\nCACHE_DIR=./data/cache\n`,
      'services/grabber/data/cache/a': '',
    });
    const different = await run(env(5));
    expect(different.services['grabber']).toEqual({
      redis: 'redis://localhost:6379/5',
      root: 'services/grabber',
      directories: ['data/cache'],
    });
    expect(different.notes).toContain('compose.yaml describes the service too and is not used');
    const same = await run(env(2));
    expect(same.services['grabber']).toMatchObject({
      celery: { queues: ['grab'] },
      directories: ['temp'],
    });
    expect(same.notes).toMatch(
      /services\/grabber\/\.env describes .*services\/grabber\/data\/cache/,
    );
  });

  test('an env file that a container gets is a part of that deployment', async () => {
    const { services } = await run({
      'compose.yaml':
        'services: { grabber: { build: ./services/grabber, env_file: services/grabber/.env, environment: { REDIS_URL: "redis://127.0.0.1/8" }, command: "celery -A a worker -Q g" } }',
      'services/grabber/.env': 'REDIS_URL=redis://127.0.0.1/1\nREDIS_PREFIX=x\n',
    });
    expect(services).toMatchObject({ grabber: { redis: 'redis://127.0.0.1:6379/8' } });
  });
});

describe('variants of a compose file', () => {
  const base = `services:
  clips:
    build: .
    command: celery -A a worker -Q clips
    environment: { REDIS_URL: "redis://127.0.0.1/1" }
    volumes: ["./uploads:/u"]
`;

  test('what only adds is an override; what says something else is another deployment', async () => {
    const { services, notes, outcome } = await run({
      'docker-compose.yml': base,
      'docker-compose.gpu.yml': 'services: { clips: { volumes: ["./models:/models"] } }',
      'docker-compose.prod.yml':
        'services: { clips: { environment: { REDIS_URL: "redis://127.0.0.1/6" } } }',
      'docker-compose.example.yml':
        'services: { clips: { environment: { REDIS_URL: "redis://127.0.0.1/7" } } }',
    });
    expect(services).toEqual({
      clips: {
        redis: 'redis://127.0.0.1:6379/1',
        celery: { queues: ['clips'] },
        directories: ['uploads'],
        models: ['models'],
      },
    });
    expect(outcome.services[0]?.from).toEqual([
      'docker-compose.yml with docker-compose.gpu.yml: clips',
    ]);
    expect(notes).toMatch(/; docker-compose\.prod\.yml describes .*Redis 127\.0\.0\.1:6379\/6/);
    expect(notes).not.toContain('/7');
  });

  test('one that has a new service and a part of an old one is an override', async () => {
    const { services, notes } = await run({
      'compose.yaml': base,
      'compose.more.yaml':
        'services: { clips: { volumes: ["./models:/m"] }, beat: { build: ., command: "celery -A a beat", environment: { REDIS_URL: "redis://127.0.0.1/1" } } }',
    });
    expect(services).toMatchObject({ clips: { directories: ['uploads'], models: ['models'] } });
    expect(notes).not.toContain('not used');
  });

  test('a whole one stands by itself, also alone', async () => {
    const whole = base.replaceAll('.1/1', '.1/4').replace('uploads', 'output');
    const beside = await run({ 'compose.yaml': base, 'compose.dev.yaml': whole });
    expect(beside.services).toMatchObject({ clips: { directories: ['uploads'] } });
    expect(beside.notes).toMatch(/compose\.dev\.yaml describes .*6379\/4 .*directories output/);
    const alone = await run({ 'deploy/docker-compose.prod.yml': whole });
    expect(alone.services).toMatchObject({ clips: { redis: 'redis://127.0.0.1:6379/4' } });
  });

  test('one that is no YAML is left out, and said', async () => {
    const { services, notes } = await run({
      'compose.yaml': base,
      'compose.broken.yaml': 'services: [\n',
    });
    expect(Object.keys(services)).toEqual(['clips']);
    expect(notes).toMatch(/cannot read compose\.broken\.yaml.*it is left out/);
  });
});

describe('directories', () => {
  test.each(['docker', 'deploy', 'compose', '.docker', 'deployment'])(
    'a compose file in %s: everything relative to that folder',
    async (name) => {
      const result = await run({
        'services/grabber/.env': 'REDIS_URL=redis://127.0.0.1:6399/2\nCACHE_DIR=./data/cache\n',
        'services/grabber/data/cache/a.mp4': '',
        'services/grabber/cache/': '',
        [`services/grabber/${name}/docker-compose.yml`]:
          'name: something\nservices:\n  grabber:\n    build: {context: ../..}\n    env_file: [../.env]\n    volumes: ["../data/cache:/app/data/cache"]\n',
      });
      expect(Object.keys(result.services)).toEqual(['grabber']);
      expect(paths(result)).toEqual(['services/grabber/data/cache']);
      expect(result.services['grabber']?.redis).toBe('redis://127.0.0.1:6399/2');
    },
  );

  test('eleven services with an .env and data of their own', async () => {
    const names = Array.from(
      { length: 11 },
      (_, index) => `svc-${String.fromCharCode(97 + index)}`,
    );
    const files = names.flatMap((name, index): [string, string][] => [
      [
        `services/${name}/.env`,
        `REDIS_URL=redis://127.0.0.1:6379/${index}\nUPLOAD_DIR=/app/data/uploads\nOUTPUT_PATH=data/out\nLOG_DIR=./data/logs\n`,
      ],
      [`services/${name}/data/uploads/a`, ''],
      [`services/${name}/data/out/a`, ''],
      [`services/${name}/data/logs/a`, ''],
      [`services/${name}/data/temp/a`, ''],
      [`services/${name}/src/main.py`, ''],
    ]);
    const result = await run(Object.fromEntries(files));
    expect(Object.keys(result.services)).toEqual(names);
    expect([...paths(result)].toSorted()).toEqual(
      names.flatMap((name) =>
        ['out', 'temp', 'uploads'].map((one) => `services/${name}/data/${one}`),
      ),
    );
    const warnings = result.text.split('\n').filter((line) => line.startsWith('⚠'));
    expect(warnings.length).toBeLessThan(5);
  });

  const container = (settings: string, volumes: string, more = ''): Files => ({
    'compose.yaml': `services:\n  clips:\n    build: .\n    environment: {${settings}}\n    volumes: [${volumes}]\n${more}`,
  });

  test.each([
    ['through the mount', 'UPLOAD_DIR: /srv/in', '"./var/in:/srv/in"', '', ['var/in']],
    ['below a mount', 'OUTPUT_FOLDER: /d/o', '"./data:/d"', '', ['data/o']],
    ['the nearest mount', 'TEMP_DIR: /d/t', '"./data:/d", "./x/t:/d/t"', '', ['x/t']],
    ['relative to working_dir', 'TEMP_DIR: work', '"./w:/w"', '    working_dir: /w\n', ['w/work']],
    ['relative, without one', 'CACHE_DIR: ./data/c', '"./d:/code/data"', '', ['d/c']],
    ['as models', 'HF_HOME: /m', '"./weights-x:/m"', '', ['weights-x']],
    ['below data', 'PEAKS_DIR: /data/peaks', '"./data:/data"', '', ['data/peaks']],
  ])('a setting of a container, %s', async (_, settings, volumes, more, expected) => {
    const result = await run(container(settings, volumes, more));
    expect(paths(result)).toEqual(expected);
    expect(result.notes).toMatch(/does not exist yet, .* it is named by \w+ in compose\.yaml:4/);
  });

  test.each([
    ...['CONFIG_DIR', 'LOG_DIR', 'STATIC_DIR', 'BASE_DIR', 'APP_DIR', 'SCRIPTS_PATH'],
    ...['PYTHONPATH', 'PATH', 'PROJECT_ROOT', 'MUSIC_LIBRARY_DIR', 'BACKUP_DIR', 'DB_PATH'],
    ...[
      'FFMPEG_PATH',
      'COOKIES_PATH',
      'TEMPLATE_FOLDER',
      'SSL_CERT_DIR',
      'PROMETHEUS_MULTIPROC_DIR',
    ],
  ])('%s never leads to a proposal', async (variable) => {
    const result = await run({
      ...container(`${variable}: /app/data/stuff`, '"./data:/app/data", "./temp:/t"'),
      'data/stuff/a': '',
    });
    expect(paths(result)).toEqual(['temp']);
  });

  test.each([
    ['the project', 'DATA_DIR: /app', '".:/app"'],
    ['outside', 'UPLOAD_DIR: /u', '"../uploads:/u"'],
    ['the home', 'UPLOAD_DIR: /u', '"~/uploads:/u"'],
    ['source code', 'DATA_DIR: /d', '"./stuff:/d"'],
    ['a database', 'DATA_DIR: /d', '"./store:/d"'],
    ['named like code', 'UPLOAD_DIR: /d', '"./config:/d"'],
    ['below src', 'UPLOAD_DIR: /d', '"./src/in:/d"'],
    ['not mounted', 'UPLOAD_DIR: /elsewhere', '"./x:/x"'],
    ['a named volume', 'UPLOAD_DIR: /v/uploads', '"vol:/v"'],
    ['a file', 'MODEL_PATH: /m/base.pt', '"./m:/m"'],
    ['read-only', 'UPLOAD_DIR: /u', '"./in:/u:ro"'],
    ['an unset variable', 'UPLOAD_DIR: "/u/${TENANT}"', '"./in:/u"'],
    ['several', 'UPLOAD_DIR: "/u/a:/u/b"', '"./in:/u"'],
  ])('a setting that names %s is not followed', async (_, settings, volumes) => {
    const result = await run({
      'compose.yaml': `services:\n  clips:\n    build: ./app\n    environment: {${settings}}\n    volumes: [${volumes}, "./temp:/t"]\n`,
      'stuff/x.py': '',
      'store/app.sqlite3': '',
      'src/in/a': '',
      'in/a': '',
    });
    expect(paths(result)).toEqual(['temp']);
  });

  test.each([
    ['RECORDINGS_DIR', 'recordings'],
    ['SCAN_FOLDER', 'scans'],
    ['PEAKS_PATH', 'var/peaks'],
    ['INBOX_DIRECTORY', 'in'],
  ])('%s decides, whatever the folder is called', async (variable, path) => {
    const alone = await run({
      'services/voice/.env': `REDIS_URL=redis://127.0.0.1/2\n${variable}=./${path}\n`,
      [`services/voice/${path}/a`]: '',
    });
    expect(paths(alone)).toEqual([`services/voice/${path}`]);
    const mounted = await run({
      ...container(`${variable}: /app/of/it`, `"./${path}:/app/of/it"`),
      [`${path}/a`]: '',
    });
    expect(paths(mounted)).toEqual([path]);
  });

  test('mounted folders that no setting names: not proposed, and one note has their lines', async () => {
    const mounted = container('', '"./temp:/t", "./store:/s", "./data:/d", "./archive:/a"');
    const result = await run({
      'services/voice/compose.yaml': mounted['compose.yaml']?.replace('clips', 'voice') ?? '',
      'services/voice/store/a': '',
      'services/voice/data/uploads/a': '',
      'services/voice/data/scans/a': '',
      'services/quiet/.env': 'REDIS_URL=redis://127.0.0.1/2\nORIGINALS_DIR=./originals\n',
      'services/quiet/recordings/a': '',
      'services/quiet/originals/a': '',
      'services/quiet/empty/': '',
      'services/quiet/app/main.py': '',
      'services/quiet/tool/deep/main.rs': '',
      'services/quiet/.hidden/a': '',
    });
    expect([...paths(result)].toSorted()).toEqual([
      'services/voice/data/uploads',
      'services/voice/temp',
    ]);
    const line = result.text.split('\n').filter((text) => text.includes('left out'));
    expect(line).toHaveLength(1);
    expect(line[0]).toMatch(/: quiet: .*"services\/quiet\/recordings" \(/);
    expect(line[0]).toMatch(/"services\/quiet\/originals" \(ORIGINALS_DIR=/);
    expect(line[0]).toMatch(/; voice: .*"store" \(/);
    expect(line[0]).toMatch(/"data\/scans" \(/);
    expect(line[0]).not.toMatch(/archive|empty|app|tool|hidden/);
    // Followed to the letter.
    const { outcome } = result;
    const config = JSON.parse(outcome.text) as { services: Record<string, Service> };
    const voice = config.services['voice'] ?? {};
    const directories = [...(voice.directories ?? []), 'store', 'data/scans'];
    const services = { ...config.services, voice: { ...voice, directories } };
    writeFileSync(outcome.file, JSON.stringify({ services }));
    const loaded = loadConfig({ file: outcome.file, env: {} }).services;
    const places = loaded.flatMap(({ root, directories: all }) =>
      all.map(({ path }) => join(root, path)),
    );
    expect(places.filter((path) => existsSync(path))).toHaveLength(3);
  });

  test.each([
    ['source code in a folder of it', 'in/tool/main.py'],
    ['source code far below', 'in/a/b/c/main.go'],
    ['a database in a folder of it', 'in/db1/app.sqlite3'],
    ['the tables of a server', 'in/mongo/WiredTiger'],
    ['a repository', 'in/a/.git/HEAD'],
  ])('a folder that a setting names, with %s', async (_, file) => {
    const result = await run({
      ...container('INBOX_DIR: /in', '"./in:/in", "./temp:/t"'),
      [file]: '',
    });
    expect(paths(result)).toEqual(['temp']);
    expect(result.notes).toMatch(
      /not proposed: .*it holds (?:source code|something else than data)/,
    );
  });

  test('a folder in which a database of the stack is kept', async () => {
    const database = `  db: { image: "postgres:16", volumes: ["./store/pg:/var/lib/postgresql/data"] }\n`;
    const result = await run(container('STORE_DIR: /s', '"./store:/s", "./temp:/t"', database));
    expect(paths(result)).toEqual(['temp']);
    expect(result.notes).toContain('db keeps its data there');
  });

  test('a folder found by its name is none where a setting tells another place', async () => {
    const result = await run({
      'services/grabber/.env': 'REDIS_URL=redis://127.0.0.1/2\nUPLOADS_DIR=./var/in\n',
      'services/grabber/uploads/old': '',
      'services/grabber/temp/a': '',
      'services/grabber/var/in/a': '',
    });
    expect([...paths(result)].toSorted()).toEqual([
      'services/grabber/temp',
      'services/grabber/var/in',
    ]);
  });
});

describe('folders beside services', () => {
  const compose = (database: number): string =>
    `services: { worker: { build: ., environment: ["REDIS_URL=redis://127.0.0.1:6399/${database}"], volumes: ["./uploads:/u"] } }`;
  const services: Files = { 'services/s/.env': 'REDIS_URL=redis://127.0.0.1:6399/6\n' };

  test('with a compose file, or an .env that names a Redis', async () => {
    const result = await run({
      ...services,
      'b/docker-compose.yml': compose(5),
      'b/uploads/a': '',
      'c/.env': 'CELERY_BROKER_URL=redis://127.0.0.1:6399/3\n',
      'd/docker/compose.yaml': compose(4).replace('./uploads', '../uploads'),
    });
    expect(Object.keys(result.services).toSorted()).toEqual(['b', 'c', 'd', 's']);
    expect(result.services['b']).toMatchObject({ root: 'b', directories: ['uploads'] });
    expect(result.services['d']).toMatchObject({ root: 'd', directories: ['uploads'] });
  });

  test('also beside a compose file of the stack', async () => {
    const result = await run({
      'compose.yaml': compose(1).replace('build: .', 'build: ./a').replace('./up', './a/up'),
      'b/compose.yaml': compose(5),
    });
    expect(Object.keys(result.services).toSorted()).toEqual(['a', 'b']);
  });

  test('not what is no service, and the note names it; nor an .env that names folders alone', async () => {
    const result = await run({
      ...services,
      'node_modules/x/compose.yaml': compose(1),
      'node_modules/compose.yaml': compose(1),
      '.git/compose.yaml': compose(1),
      'examples/compose.yaml': compose(1),
      'frontend/.env': 'UPLOAD_DIR=./uploads\n',
      'frontend/uploads/a': '',
    });
    expect(Object.keys(result.services)).toEqual(['s']);
    expect(result.notes).toContain('examples/compose.yaml is not read');
    expect(result.notes).not.toContain('node_modules');
  });

  test('run in the folder of one service, its folders are no services', async () => {
    const folder = project({
      'services/s/compose.yaml': compose(1),
      'services/s/b/compose.yaml': compose(2),
    });
    expect(Object.keys((await initIn(join(folder, 'services/s'))).services)).toEqual(['s']);
  });
});

describe('where init is run', () => {
  const stack: Files = {
    'docker-compose.yml': `services:
  redis: { image: redis:7, ports: ["6400:6379"] }
  covers: { build: ./services/covers, environment: { REDIS_URL: "redis://redis/4" }, command: "celery -A a worker -Q c" }
`,
    'services/waveform/.env':
      'REDIS_URL=redis://redis:6379/5\nCELERY_BROKER_URL=redis://redis:6379/5\n',
    'services/waveform/uploads/a': '',
    'services/covers/uploads/a': '',
  };

  test('in services: those services, with what the compose file above says', async () => {
    const folder = project(stack);
    const { services } = await initIn(join(folder, 'services'));
    expect(services).toMatchObject({
      waveform: { redis: 'redis://127.0.0.1:6400/5', root: 'waveform', directories: ['uploads'] },
      covers: { redis: 'redis://127.0.0.1:6400/4', celery: { queues: ['c'] } },
    });
    expect(Object.keys(services)).toHaveLength(2);
  });

  test('in the folder of one service: that one alone', async () => {
    const folder = project(stack);
    const waveform = await initIn(join(folder, 'services/waveform'));
    expect(Object.keys(waveform.services)).toEqual(['waveform']);
    expect(paths(waveform)).toEqual(['uploads']);
    const covers = await initIn(join(folder, 'services/covers'));
    expect(Object.keys(covers.services)).toEqual(['covers']);
  });

  test('where nothing is: exit 2, what was looked for, and nothing written', async () => {
    const folder = project(stack);
    const place = join(folder, 'services/covers/uploads');
    await expect(initIn(place)).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringMatching(
        /docker-compose\.yml.*\.env.*--from <path>.*--example/,
      ) as string,
    });
    expect(readdirSync(place)).toEqual(['a']);
  });

  test('the .env of a stack is no service of the name of the repository', async () => {
    const { services, notes } = await run({
      '.env': 'REDIS_URL=redis://127.0.0.1/1\n',
      ...{ 'services/waveform/.env': stack['services/waveform/.env'] ?? '' },
    });
    expect(Object.keys(services)).toEqual(['waveform']);
    expect(notes).toContain('.env is not read');
  });
});

describe('what is written', () => {
  test('where each value comes from, as text and as JSON', async () => {
    const { outcome, text } = await run(TWO);
    expect(text).toContain(
      [
        '  where each value comes from',
        '    redis 127.0.0.1:6379/7: docker-compose.yml:10 (REDIS_URL)',
        '    queues thumbs: docker-compose.yml:8 (-Q)',
        '    root services/thumbs: folder of the service',
        '    directories cache: docker-compose.yml:9 (mount)',
      ].join('\n'),
    );
    expect(initJson(outcome).services['transcode']).toMatchObject({
      sources: [
        {
          ...{ setting: 'redis', value: '127.0.0.1:6379/3', how: 'REDIS_URL' },
          ...{ file: 'services/transcode/.env', line: 1 },
        },
        { setting: 'queues', value: 'celery', file: null, line: null },
        { setting: 'root', value: 'services/transcode' },
        { setting: 'directories', value: 'uploads', line: 4 },
      ],
    });
  });

  test('a password that no env file gives as it is needed has a name of its own', async () => {
    const { outcome, services, text } = await run({
      'compose.yaml': `services:
  redis: { image: redis, ports: ["6400:6379"] }
  inside: { build: ./a, env_file: a.env, command: "celery -A a worker -Q a" }
  outside: { build: ./b, env_file: b.env, command: "celery -A b worker -Q b" }
`,
      'a.env': 'REDIS_URL=redis://:hunter2@redis:6379/1\n',
      'b.env': 'MEDIA_URL=redis://:hunter3@127.0.0.1:6400/2\n',
    });
    expect(services).toMatchObject({
      inside: { redis: '${INSIDE_REDIS_URL}' },
      outside: { redis: '${MEDIA_URL}' },
    });
    expect(outcome.variables.map(({ name, envFile }) => [name, envFile !== undefined])).toEqual([
      ['INSIDE_REDIS_URL', false],
      ['MEDIA_URL', true],
    ]);
    expect(text).toContain('doctor --env-file b.env');
    expect(text + JSON.stringify(initJson(outcome))).not.toMatch(/hunter\d/);
    expect(outcome.problems).toEqual([]);
  });

  test('$schema is something that exists, else it is left out', async () => {
    const schemaOf = ({ outcome }: Run): unknown =>
      (JSON.parse(outcome.text) as { $schema?: string }).$schema;
    const folder = project(TWO);
    const installed = schemaOf(await initIn(folder));
    expect(installed).toMatch(/^file:\/\/.*cleanup\.config\.schema\.json$/);
    expect(existsSync(new URL(installed as string))).toBe(true);
    writeFileSync(join(folder, 'cleanup.config.schema.json'), '{}');
    expect(schemaOf(await initIn(folder))).toBe('./cleanup.config.schema.json');
    const nowhere = await init(
      {
        ...{ command: 'init', file: undefined, from: undefined, envFiles: [], force: true },
        ...{ example: false, explain: false, offline: true, dryRun: true },
        ...{ format: 'table', color: false },
      },
      { workingDirectory: project(TWO), env: {}, installation: realpathSync(project({})) },
      { ask: undefined, signal: new AbortController().signal },
    );
    expect(nowhere.text).not.toContain('$schema');
  });

  test('notes of one kind are one line, and JSON has each', async () => {
    const { outcome, text } = await run({
      'compose.yaml': `services:
  a: { build: ./a, volumes: ["./a:/app", "./a/logs:/logs", "/etc/localtime:/etc/localtime:ro", "./a/temp:/t"] }
  b: { build: ./b, volumes: ["./b:/app", "./b/logs:/logs", "/dev/dri:/dev/dri", "./b/temp:/t"] }
  c: { build: ./c, volumes: ["./c:/app", "cache:/cache", "./c/temp:/t"], environment: { TZ: "\${TZ}" } }
`,
      'a/main.py': '',
      'b/main.py': '',
      'c/main.py': '',
      'a/temp/': '',
      'b/temp/': '',
      'c/temp/': '',
    });
    const lines = text.split('\n').filter((line) => line.includes('not proposed'));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('source code or configuration: ./a, ./b, ./c');
    expect(lines[0]).toContain('log folders: ./a/logs, ./b/logs');
    const { notes } = initJson(outcome);
    expect(notes.filter(({ message }) => message.startsWith('not proposed'))).toHaveLength(8);
  });
});

describe('files that belong together', () => {
  test('an .env that no env_file names, beside a compose file that names no Redis', async () => {
    const { services, outcome } = await run({
      'services/clips/compose.yaml':
        'services: { api: { build: ., volumes: ["./uploads:/u"] }, redis: { image: redis, ports: ["6401:6379"] } }',
      'services/clips/.env': 'REDIS_URL=redis://redis:6379/3\nCELERY_QUEUE=clips\n',
    });
    expect(services).toEqual({
      clips: {
        redis: 'redis://127.0.0.1:6401/3',
        celery: { queues: ['clips'] },
        root: 'services/clips',
        directories: ['uploads'],
      },
    });
    expect(outcome.services[0]?.sources[0]).toMatchObject({ file: 'services/clips/.env', line: 1 });
  });

  test('run in the folder of the compose files, the folder around is the project', async () => {
    const folder = project({
      'services/grabber/docker/compose.yaml':
        'services: { app: { build: .., environment: { REDIS_URL: "redis://127.0.0.1/2" }, volumes: ["../temp:/t"] } }',
      'services/grabber/main.py': '',
    });
    const { services } = await initIn(join(folder, 'services/grabber/docker'));
    expect(services).toMatchObject({
      grabber: { root: join(folder, 'services/grabber'), directories: ['temp'] },
    });
  });

  test('COMPOSE_FILE of .env says which files are read', async () => {
    const clips = (db: number): string =>
      `services: { clips: { build: ., command: "celery -A a worker -Q c", environment: { REDIS_URL: "redis://127.0.0.1/${db}" } } }`;
    const { services, outcome } = await run({
      '.env': 'COMPOSE_FILE=compose.yaml:compose.prod.yaml\n',
      'compose.yaml': clips(1),
      'compose.prod.yaml': clips(2),
    });
    expect(services).toMatchObject({ clips: { redis: 'redis://127.0.0.1:6379/2' } });
    expect(outcome.notes.map(({ message }) => message).join()).not.toContain('not used');
  });

  test('a relative setting of a program that is mounted with its folder', async () => {
    const result = await run({
      'compose.yaml':
        'services: { clips: { build: ., environment: { CACHE_DIR: ./data/cache }, volumes: [".:/app"] } }',
    });
    expect(paths(result)).toEqual(['data/cache']);
  });

  test('a folder of data in the folder of a mounted program is told', async () => {
    const result = await run({
      'compose.yaml':
        'services: { clips: { build: ., environment: { OUTPUT_DIR: output }, volumes: [".:/app"] } }',
      'output/a': '',
      'cache/a': '',
      'main.py': '',
    });
    expect(paths(result)).toEqual(['output']);
    expect(result.notes).toContain('not proposed: cache: in the folder of the program');
    expect(result.notes).not.toContain('not proposed: output');
  });

  test('a folder with logs or a database in it is not all data', async () => {
    const result = await run({
      'services/clips/.env': 'REDIS_URL=redis://127.0.0.1/2\nDATA_DIR=./data\n',
      'services/clips/data/uploads/a': '',
      'services/clips/data/logs/a': '',
    });
    expect(paths(result)).toEqual(['services/clips/data/uploads']);
    expect(result.notes).toContain('it holds something else than data (logs)');
    const whole = await run({
      'services/clips/.env': 'REDIS_URL=redis://127.0.0.1/2\nDATA_DIR=./data\n',
      'services/clips/data/uploads/a': '',
    });
    expect(paths(whole)).toEqual(['services/clips/data']);
  });
});

describe('what a compose file extends and includes', () => {
  const base = (folder: string): string => `services:
  base:
    build: ${folder}
    env_file: [${folder}/redis.env]
    volumes:
      - ${folder}/uploads:/app/uploads
      - { type: bind, source: ${folder}/cache, target: /app/cache }
      - named:/named
`;
  const own = (file: string): string =>
    `services: { ocr: { extends: { file: ${file}, service: base }, volumes: ["./services/ocr/results:/r"] } }`;
  const redis = { 'services/ocr/redis.env': 'REDIS_URL=redis://127.0.0.1:6379/4\n' };
  const all = ['results', 'uploads', 'cache'].toSorted();
  const places = (result: Run): readonly string[] => [...paths(result)].toSorted();

  test.each([
    ['beside it', 'common.yml', './services/ocr'],
    ['in another folder', 'parts/common.yml', '../services/ocr'],
    ['in the folder of the service', 'services/ocr/common.yml', '.'],
  ])('a file %s', async (_, file, folder) => {
    const result = await run({ ...redis, 'docker-compose.yml': own(file), [file]: base(folder) });
    expect(result.services['ocr']?.redis).toBe('redis://127.0.0.1:6379/4');
    expect(places(result)).toEqual(all.map((name) => `services/ocr/${name}`));
    expect(result.outcome.read.map(({ path }) => basename(path))).toContain('common.yml');
    expect(result.notes).not.toContain('not followed');
  });

  test('a file that extends a file, relative to each; a service of it is no deployment', async () => {
    const result = await run({
      ...redis,
      'compose.yaml': own('parts/compose.one.yml'),
      'parts/compose.one.yml':
        'services: { base: { extends: { file: deep/two.yml, service: base }, command: "celery -A a worker -Q ocr" } }',
      'parts/deep/two.yml': base('../../services/ocr'),
    });
    expect(result.services).toMatchObject({
      ocr: { redis: 'redis://127.0.0.1:6379/4', celery: { queues: ['ocr'] } },
    });
    expect(Object.keys(result.services)).toEqual(['ocr']);
    expect(places(result)).toEqual(all.map((name) => `services/ocr/${name}`));
  });

  test('an included file, with paths and an .env of its own', async () => {
    const result = await run({
      'compose.yaml': 'include: [parts/a.yml, { path: [parts/b/b.yml], env_file: parts/b.env }]\n',
      'parts/a.yml':
        'services: { clips: { build: ./clips, environment: { REDIS_URL: "redis://127.0.0.1/${DB}" }, volumes: ["./clips/temp:/t"] } }',
      'parts/.env': 'DB=5\n',
      'parts/b/b.yml':
        'services: { ocr: { build: ., environment: { REDIS_URL: "redis://127.0.0.1/${DB}" }, volumes: ["./uploads:/u"] } }',
      'parts/b.env': 'DB=6\n',
    });
    expect(result.services).toMatchObject({
      clips: { redis: 'redis://127.0.0.1:6379/5', root: 'parts/clips', directories: ['temp'] },
      ocr: { redis: 'redis://127.0.0.1:6379/6', root: 'parts/b', directories: ['uploads'] },
    });
  });

  test('included folders without a build: a service each, with the variables of the project', async () => {
    const of = (database: number): string =>
      `services: { worker-${database}: { image: acme/all, command: "celery -A a worker -Q q${database}", environment: { REDIS_URL: "redis://127.0.0.1:\${PORT}/${database}" }, volumes: ["./temp:/t"] } }`;
    const { services, notes } = await run({
      'compose.yaml': 'include: [services/one/compose.yaml, two/compose.yaml]\n',
      '.env': 'PORT=6390\n',
      'services/one/compose.yaml': of(1),
      'two/compose.yaml': of(2),
    });
    expect(services).toMatchObject({
      one: { redis: 'redis://127.0.0.1:6390/1', root: 'services/one', directories: ['temp'] },
      two: { redis: 'redis://127.0.0.1:6390/2', root: 'two', directories: ['temp'] },
    });
    expect(Object.keys(services)).toHaveLength(2);
    expect(notes).not.toContain('not used');
  });

  test('a folder that the compose file above includes is one service', async () => {
    const { services, notes } = await run({
      'compose.yaml': 'include: [services/ocr/compose.yaml]\n',
      'services/ocr/compose.yaml':
        'services: { api: { build: ., environment: { REDIS_URL: "redis://127.0.0.1/4" }, volumes: ["./uploads:/u"] } }',
    });
    expect(services).toEqual({
      ocr: { redis: 'redis://127.0.0.1:6379/4', root: 'services/ocr', directories: ['uploads'] },
    });
    expect(notes).not.toMatch(/not used|holds no services/);
  });

  test.each([
    ['is not there', 'common.yml', {}],
    ['is no file of this machine', 'https://example.com/common.yml', {}],
    ['is broken', 'common.yml', { 'common.yml': 'services: [\n' }],
    ['has no such service', 'common.yml', { 'common.yml': 'services: {}\n' }],
    [
      'extends itself',
      'common.yml',
      {
        'common.yml': 'services: { base: { extends: { file: other.yml, service: base } } }',
        'other.yml': 'services: { base: { extends: { file: common.yml, service: base } } }',
      },
    ],
    ['has a name that is not set', '"${NOWHERE}/common.yml"', {}],
  ])('a file that %s: nothing runs before its Redis is filled in', async (_, file, files) => {
    const { services, notes, outcome } = await run({
      'docker-compose.yml': own(file),
      ...(files as Files),
    });
    expect(services['ocr']?.redis).toBe('${OCR_UNKNOWN_REDIS_URL}');
    expect(notes).toMatch(/ extends base of .*common\.yml, which is not followed: /);
    expect(notes).toMatch(/ocr: its Redis is not known, because \S+ is not read/);
    expect(outcome.problems).toEqual([]);
    expect(() => loadConfig({ file: outcome.file, env: {} })).toThrow();
  });

  test('an include that is not followed is named', async () => {
    const { notes } = await run({
      'compose.yaml':
        'include: ["oci://example.com/x", no.yml, compose.yaml]\nservices: { a: { build: ., volumes: ["./temp:/t"] } }\n',
    });
    expect(notes).toMatch(
      /`include` is not followed: oci:\/\/example\.com\/x: it is no file of this/,
    );
    expect(notes).toMatch(/`include` is not followed: no\.yml: /);
    expect(notes).toMatch(/`include` is not followed: compose\.yaml: it includes itself/);
  });
});
