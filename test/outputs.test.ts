/** Where a wipe tells of itself besides its terminal, each against what reads it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { describe, expect, onTestFinished, test } from 'vitest';
import { findCommand } from './setup/needs.ts';
import { makeFiles } from './support/config-file.ts';
import { ownStack, type OwnStack } from './support/own-config.ts';
import { requireOrSkip } from './support/requirements.ts';
import { startTool } from './support/tool.ts';
import { until } from './support/until.ts';
import { fileList } from './support/witness.ts';

const FILES = 3;

const CONFIG = (stack: OwnStack) => ({ root: stack.path('.'), directories: ['uploads'] });

/** A service with files only: what is told of it needs no Redis. */
function filesOnly(): OwnStack {
  const stack = ownStack();
  makeFiles(stack.path('uploads'), FILES);
  stack.config(CONFIG(stack));
  return stack;
}

function jsonOf(file: string): Record<string, unknown> {
  return JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
}

describe('--report-file', () => {
  test('holds the same document as stdout, for its owner alone', async () => {
    const stack = filesOnly();
    const file = stack.path('report.json');
    const { code, stdout } = await stack.run(['media', '--yes', '--json', '--report-file', file]);
    expect(code).toBe(0);
    expect(readFileSync(file, 'utf8')).toBe(stdout);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(stack.path('.')).filter((name) => name.includes('.tmp'))).toEqual([]);
  });

  test('is JSON also when the terminal gets a table, and Markdown on request', async () => {
    const stack = filesOnly();
    const file = stack.path('report');
    await stack.run(['media', '--yes', '--report-file', file]);
    expect(jsonOf(file)).toMatchObject({ status: 'completed', files_deleted: FILES });
    const { stdout } = await stack.run([
      ...['media', '--yes', '--format', 'markdown', '--report-file', file],
    ]);
    expect(readFileSync(file, 'utf8')).toBe(stdout);
    expect(stdout).toMatch(/^# 🔥 TOTAL WIPE COMPLETED: 0 jobs \+ 0 files/);
  });

  test('of a refused run says so, instead of telling of yesterday', async () => {
    const stack = filesOnly();
    const file = stack.path('report.json');
    writeFileSync(file, '{"status":"completed"}');
    const args = ['media', '--yes', '--max-files', '1', '--report-file', file];
    expect((await stack.run(args)).code).toBe(3);
    expect(jsonOf(file)).toMatchObject({ status: 'refused', error: { code: 'refused' } });
    expect(fileList(stack.path('uploads'))).toHaveLength(FILES);
  });

  test('that cannot be written is a warning', async () => {
    const stack = filesOnly();
    const file = stack.path('missing/report.json');
    const args = ['media', '--yes', '--json', '--report-file', file];
    const { code, stdout } = await stack.run(args);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      verified: true,
      warnings: ['--report-file could not be written: No such file or directory (ENOENT)'],
    });
    makeFiles(stack.path('uploads'), FILES);
    const quiet = await stack.run(['media', '--yes', '--quiet', '--report-file', file]);
    expect(quiet).toMatchObject({ code: 0, stdout: '' });
    expect(quiet.stderr).toContain('--report-file could not be written');
  });
});

describe.skipIf(!requireOrSkip('promtool'))('--metrics-file', () => {
  const sample = (text: string, name: string): number | undefined => {
    const found = new RegExp(`^media_cleanup_${name} (\\S+)$`, 'm').exec(text)?.[1];
    return found === undefined ? undefined : Number(found);
  };
  const checked = (file: string): string => {
    const text = readFileSync(file, 'utf8');
    const check = spawnSync(findCommand('promtool') ?? '', ['check', 'metrics'], {
      input: text,
      encoding: 'utf8',
    });
    expect(check).toMatchObject({ status: 0, stderr: '' });
    return text;
  };

  test('tells of success, failure and refusal; the last success stays', async () => {
    const stack = filesOnly();
    const file = stack.path('media_cleanup.prom');
    const run = async (...args: string[]) =>
      stack.run(['media', '--yes', '--metrics-file', file, ...args]);
    const began = Date.now() / 1000;
    expect((await run()).code).toBe(0);
    const first = checked(file);
    const success = sample(first, 'last_success_timestamp_seconds') ?? 0;
    expect(success).toBeGreaterThanOrEqual(Math.floor(began));
    expect(success).toBe(sample(first, 'last_run_timestamp_seconds'));
    expect(sample(first, 'last_run_exit_code')).toBe(0);
    expect(sample(first, 'last_run_duration_seconds')).toBeGreaterThan(0);
    expect(first).toContain(`media_cleanup_files_deleted{service="media"} ${FILES}`);
    expect(first).toContain('media_cleanup_verified{service="media"} 1');
    expect(statSync(file).mode & 0o777).toBe(0o644);

    const { root, directories } = CONFIG(stack);
    stack.config({ root, directories, redis: 'redis://127.0.0.1:9/0', keyPrefix: 'job:' });
    expect((await run()).code).toBe(1);
    const second = checked(file);
    expect(sample(second, 'last_run_exit_code')).toBe(1);
    expect(sample(second, 'last_success_timestamp_seconds')).toBe(success);
    expect(second).toContain('media_cleanup_errors{service="media"} 1');
    expect(second).toContain('media_cleanup_verified{service="media"} 0');

    const refused = await run('--max-files', '0');
    const third = checked(file);
    expect(sample(third, 'last_run_exit_code')).toBe(refused.code);
    expect(sample(third, 'last_success_timestamp_seconds')).toBe(
      sample(second, 'last_success_timestamp_seconds'),
    );
  });

  test('a pipe that nobody reads is a warning, and not waited for', async () => {
    const stack = filesOnly();
    execFileSync('mkfifo', [stack.path('metrics')]);
    const args = ['media', '--yes', '--json', '--metrics-file', stack.path('metrics')];
    const { code, stdout, durationMs } = await stack.run(args);
    expect(code).toBe(0);
    expect(durationMs).toBeLessThan(15_000);
    const { warnings } = JSON.parse(stdout) as { warnings: readonly string[] };
    expect(warnings).toEqual([expect.stringContaining('--metrics-file could not be written')]);
  });

  test('a dry run is no run', async () => {
    const stack = filesOnly();
    const file = stack.path('media_cleanup.prom');
    expect((await stack.run(['media', '--dry-run', '--metrics-file', file])).code).toBe(0);
    expect(readdirSync(stack.path('.'))).not.toContain('media_cleanup.prom');
  });
});

interface Ping {
  readonly method: string;
  readonly path: string;
  readonly rid: string | null;
  readonly body: string;
}

/** A small server that does with each request what the test says. */
async function pingServer(
  answer: (response: ServerResponse, count: number, request: IncomingMessage) => void,
): Promise<{ readonly url: string; readonly pings: Ping[] }> {
  const pings: Ping[] = [];
  let count = 0;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
      pings.push({
        method: request.method ?? '',
        path: pathname,
        rid: searchParams.get('rid'),
        body: Buffer.concat(chunks).toString(),
      });
      count += 1;
      answer(response, count, request);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as { port: number };
  return { url: `http://127.0.0.1:${port}/a-secret-uuid`, pings };
}

describe('--ping-url', () => {
  test('tells of start and end, with the report', async () => {
    const stack = filesOnly();
    const { url, pings } = await pingServer((response) => response.end('OK'));
    const { code, stdout, stderr } = await stack.run(['media', '--yes', '--ping-url', url]);
    expect(code).toBe(0);
    expect(pings.map(({ path }) => path)).toEqual(['/a-secret-uuid/start', '/a-secret-uuid/0']);
    expect(pings[0]?.rid).toMatch(/^[\da-f]{8}-([\da-f]{4}-){3}[\da-f]{12}$/);
    expect(pings[1]?.rid).toBe(pings[0]?.rid);
    expect(pings[1]).toMatchObject({ method: 'POST', body: stdout });
    expect(stdout + stderr).not.toContain('a-secret-uuid');
  });

  test.each([
    { title: 'refused', args: ['--max-files', '1'], code: 3 },
    { title: 'wrong config', args: ['--config', '/nowhere'], code: 2 },
  ])('of a run that did not start: $title', async ({ args, code }) => {
    const stack = filesOnly();
    const { url, pings } = await pingServer((response) => response.end('OK'));
    const result = await stack.run(['media', '--yes', '--ping-url', url, ...args]);
    expect(result.code).toBe(code);
    expect(pings.map(({ path }) => path)).toEqual([
      '/a-secret-uuid/start',
      `/a-secret-uuid/${code}`,
    ]);
    expect(result.stderr).toContain(pings[1]?.body.trim().split('\n')[0]);
  });

  test('500 twice, then it arrives: three tries', async () => {
    const stack = filesOnly();
    const { url, pings } = await pingServer((response, count) => {
      response.statusCode = count === 2 || count === 3 ? 500 : 200;
      response.end();
    });
    const { code, stderr } = await stack.run(['media', '--yes', '--ping-url', url]);
    expect(code).toBe(0);
    expect(pings.filter(({ path }) => path.endsWith('/0'))).toHaveLength(3);
    expect(stderr).not.toContain('ping');
  });

  test('nobody listens: a warning, and the wipe is done', async () => {
    const stack = filesOnly();
    const url = 'http://127.0.0.1:9/a-secret-uuid';
    const { code, stdout, stderr } = await stack.run(['media', '--yes', '--ping-url', url]);
    expect(code).toBe(0);
    expect(stderr).toContain('media-cleanup: The ping to 127.0.0.1:9 failed: Connection refused');
    expect(stdout + stderr).not.toContain('a-secret-uuid');
    expect(fileList(stack.path('uploads'))).toEqual([]);
  });

  test('who never answers delays neither the wipe nor the report, and the end not for ever', async () => {
    const stack = filesOnly();
    const { url, pings } = await pingServer(() => undefined);
    const run = startTool(['media', '--yes', '--json', '--ping-url', url], {
      folder: stack.folder,
      timeout: 60_000,
    });
    run.endInput();
    await until('the report', () => run.stdout().endsWith('}\n'));
    expect(pings.filter(({ path }) => path.endsWith('/0')).length).toBeLessThan(2);
    const { code, stderr, durationMs } = await run.result;
    expect(code).toBe(0);
    expect(stderr).toContain('failed: ');
    expect(durationMs).toBeLessThan(28_000);
    expect(pings.filter(({ path }) => path.endsWith('/0'))).toHaveLength(3);
  });

  test('Ctrl-C ends the waiting: there is nothing left to interrupt', async () => {
    const stack = filesOnly();
    const { url } = await pingServer(() => undefined);
    const run = startTool(['media', '--yes', '--json', '--ping-url', url], {
      folder: stack.folder,
      timeout: 60_000,
    });
    run.endInput();
    await until('the report', () => run.stdout().endsWith('}\n'));
    run.kill('SIGINT');
    const { code, durationMs, stderr } = await run.result;
    expect(code, 'what the report says').toBe(0);
    expect(durationMs).toBeLessThan(15_000);
    expect(stderr).not.toContain('Ended at once');
    expect(JSON.parse(run.stdout())).toMatchObject({ status: 'completed' });
  });

  test.each(['ftp://host/x', 'not a url', 'file:///etc/passwd'])('%s is none', async (url) => {
    const stack = filesOnly();
    const { code, stderr } = await stack.run(['media', '--yes', '--ping-url', url]);
    expect(code).toBe(2);
    expect(stderr).not.toContain(url);
    expect(fileList(stack.path('uploads'))).toHaveLength(FILES);
  });
});

describe.skipIf(!requireOrSkip('jq'))('the log', () => {
  test('--log-file gets what a pipe would show, run after run', async () => {
    const stack = filesOnly();
    const file = stack.path('cleanup.log');
    const { stderr } = await stack.run(['media', '--yes', '--log-file', file]);
    expect(readFileSync(file, 'utf8')).toBe(stderr);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const again = await stack.run(['media', '--yes', '--log-file', file]);
    expect(readFileSync(file, 'utf8')).toBe(stderr + again.stderr);
  });

  test('as JSON each line is an object that jq reads', async () => {
    const stack = filesOnly();
    const file = stack.path('cleanup.log');
    const args = ['media', '--yes', '--verbose', '--log-format', 'json', '--log-file', file];
    const { stderr } = await stack.run(args);
    for (const text of [readFileSync(file, 'utf8'), stderr]) {
      const filter = '[.time, .level, .service, .step, .message] | map(type) | join(" ")';
      const types = execFileSync('jq', ['-r', filter], { input: text, encoding: 'utf8' });
      for (const line of types.trimEnd().split('\n')) {
        expect(line).toMatch(/^string string (string|null) string string$/);
      }
      const deleted = execFileSync(
        'jq',
        ['-r', 'select(.step == "files" and .level == "INFO") | .deleted'],
        {
          input: text,
          encoding: 'utf8',
        },
      );
      expect(deleted).toBe(`${FILES}\n`);
      const items = execFileSync('jq', ['-c', 'select(.level == "DEBUG") | .step'], {
        input: text,
        encoding: 'utf8',
      });
      expect(items).toBe('"files"\n'.repeat(FILES));
    }
  });

  test('that cannot be written is a warning', async () => {
    const stack = filesOnly();
    const args = ['media', '--yes', '--json', '--log-file', stack.path('.')];
    const { code, stdout } = await stack.run(args);
    expect(code).toBe(0);
    const { warnings } = JSON.parse(stdout) as { warnings: readonly string[] };
    expect(warnings).toEqual([expect.stringContaining('--log-file: ')]);
    expect(fileList(stack.path('uploads'))).toEqual([]);
  });
});

describe('what a run writes of itself', () => {
  test.each(['--log-file', '--report-file', '--metrics-file', '--state-dir'])(
    '%s is not put into what is emptied',
    async (flag) => {
      const stack = filesOnly();
      mkdirSync(stack.path('uploads/deeper'));
      const args = ['media', '--yes', '--json', flag, stack.path('uploads/deeper/of-us')];
      const { code, stdout } = await stack.run(args);
      expect(code).toBe(3);
      expect(JSON.parse(stdout)).toMatchObject({ status: 'refused' });
      expect(stdout).toContain(flag === '--state-dir' ? 'The state directory' : flag);
      expect(fileList(stack.path('uploads/deeper'))).toEqual([]);
      expect(fileList(stack.path('uploads')).filter((name) => name.includes('file-'))).toHaveLength(
        FILES,
      );
    },
  );
});
