/**
 * `npm run demo`: the main job on a throw-away stack, shown step by step, then proved by other means.
 * Exits 1 when the proof fails. Leaves nothing behind, also on Ctrl-C.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { enqueue } from '../support/celery.ts';
import type { Worker } from '../support/celery.ts';
import { createFolder } from '../support/folder.ts';
import { startRedis } from '../support/redis.ts';
import type { TestRedis } from '../support/redis.ts';
import { celeryApp, stackEnvironment } from '../support/stack.ts';
import { runTool } from '../support/tool.ts';
import { AT_WORK, fillStack } from './fill-stack.ts';
import { lookAt } from './proof.ts';
import type { Evidence } from './proof.ts';

/** What the temporary folder is called on the screen. */
const SHOWN_FOLDER = '/srv/media';

const folder = createFolder();
process.once('exit', () => folder.remove());
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

try {
  // Redis may still run: exit does not wait for it, and ends it.
  process.exit((await demo()) ? 0 : 1);
} catch (error) {
  console.error(`\nThe demo broke off: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}

async function demo(): Promise<boolean> {
  console.log(`media-cleanup: the demo

Three services of a media stack, made for this demo: a real Redis, messages of
a real Celery, a worker that was killed with tasks in its hands and another one
in the middle of its work, files of every kind. Other programs' keys, queue and
files lie among them and must survive.
The stack is in a temporary folder, shown here as ${SHOWN_FOLDER}.`);
  const redis = await startRedis(folder.path);
  const worker = await fillStack(folder.path, redis);
  mkdirSync(join(folder.path, 'home'));
  const env = { ...stackEnvironment(folder.path, redis), COLUMNS: '78', LANG: 'C.UTF-8' };
  const run = async (...args: string[]): Promise<string> => {
    console.log(`\n$ media-cleanup ${args.join(' ')}\n`);
    const { stdout, stderr, code } = await runTool(args, { folder: folder.path, env });
    if (args.includes('--quiet') && stdout + stderr !== '') {
      throw new Error(
        `media-cleanup ${args.join(' ')} was to be silent, and said:\n${stdout}${stderr}`,
      );
    }
    const shown = stdout.replaceAll(folder.path, SHOWN_FOLDER).trimEnd();
    if (shown !== '') console.log(`${shown.replace(/^(?=.)/gm, '  ')}\n`);
    console.log(`  exit code ${code}`);
    if (code !== 0) throw new Error(`media-cleanup ${args.join(' ')}: exit ${code}\n${stderr}`);
    return stdout;
  };

  headline('1. What is there');
  await run('stats', 'all');
  headline('2. What would go: nothing is changed yet');
  const before = lookAt(folder.path, redis);
  await run('all', '--dry-run');
  const stillThere = lookAt(folder.path, redis);
  headline('3. The wipe (without --yes it shows the plan and asks)');
  const report = await run('all', '--yes');
  const after = lookAt(folder.path, redis);
  headline('4. The proof, by redis-cli, celery, find, du and sha256sum');
  const goesOn = await works(worker, redis);
  const proved = prove(before, stillThere, after, report, goesOn);
  headline('5. Once more, as cron would: silent, because all is well');
  await run('all', '--yes', '--quiet');
  console.log(
    proved
      ? '\nAll of it is gone, and only it. The temporary stack has been removed.'
      : '\nTHE PROOF FAILED: see step 4.',
  );
  return proved;
}

/** Whether the worker that was held for the wipe does a new task. */
async function works(worker: Worker, redis: TestRedis): Promise<boolean> {
  enqueue(celeryApp(folder.path, redis, AT_WORK), [{ id: 'a-new-one' }]);
  try {
    await worker.waitForLog('[a-new-one] succeeded', 10_000);
    return true;
  } catch {
    return false;
  }
}

function headline(text: string): void {
  console.log(`\n\n${text}\n${'─'.repeat(text.length)}`);
}

function prove(
  before: Evidence,
  stillThere: Evidence,
  after: Evidence,
  report: string,
  goesOn: boolean,
): boolean {
  const gone = (
    name: string,
    means: string,
    key: 'jobs' | 'tasks' | 'running' | 'results' | 'files' | 'models',
  ) => ({ name, means, was: before[key], is: after[key], ok: before[key] > 0 && after[key] === 0 });
  const same = (name: string, means: string, ok: boolean, word = 'unchanged') => ({
    name,
    means,
    was: '',
    is: ok ? word : 'DIFFERENT',
    ok,
  });
  const checks = [
    gone('job keys', 'redis-cli --scan', 'jobs'),
    gone('results', 'redis-cli --scan', 'results'),
    gone('messages', 'redis-cli llen, hvals', 'tasks'),
    gone('running tasks', 'celery inspect active', 'running'),
    gone('files', 'find', 'files'),
    gone('models', 'find', 'models'),
    {
      name: 'disk space',
      means: 'du -s',
      was: megabytes(before.bytes),
      is: megabytes(after.bytes),
      ok: after.bytes < before.bytes,
    },
    same('all of it, after the dry run', 'all of these', isSame(before, stillThere)),
    same("others' keys and messages", 'sha256', before.neighbourKeys === after.neighbourKeys),
    same("others' files", 'sha256sum', before.neighbourFiles === after.neighbourFiles),
    same('a new task, by the same worker', 'its log', goesOn, 'done'),
    same('the directories themselves', 'stat', before.directories === after.directories),
    same(
      "the report's figures",
      'all of these',
      figuresOf(report) === expected(before, after),
      'the same',
    ),
  ];
  console.log(`\n  ${row('', 'seen by', 'before', 'after')}`);
  for (const { name, means, was, is, ok } of checks) {
    console.log(`${ok ? '✔' : '✘'} ${row(name, means, String(was), String(is))}`);
  }
  return checks.every(({ ok }) => ok);
}

function row(name: string, means: string, was: string, is: string): string {
  return `${name.padEnd(31)}${means.padEnd(23)}${was.padStart(8)}  ${is.padStart(9)}`.trimEnd();
}

function isSame(one: Evidence, other: Evidence): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** Of the report's last row: jobs, tasks, files, models, MB. */
function figuresOf(report: string): string {
  const total = report.split('\n').find((line) => line.startsWith('Total'));
  return (total ?? '').split(/\s+/).slice(1, 6).join(' ').replaceAll(',', '');
}

function expected(before: Evidence, after: Evidence): string {
  const { jobs, tasks, files, models } = before;
  return `${jobs} ${tasks} ${files} ${models} ${megabytes(before.bytes - after.bytes)}`;
}

function megabytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(2);
}
