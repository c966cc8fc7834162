/** A server that answers what no Redis answers: its service fails, and only its own. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { JsonReport } from './support/config-file.ts';
import { dice, SEED } from './support/dice.ts';
import { startHostileRedis, type HostileRedis, type Replace } from './support/hostile-redis.ts';
import {
  BROKEN_REPLIES,
  encodeReply,
  nearlyRight,
  oddReply,
  readReply,
} from './support/odd-replies.ts';
import { ownStack, redisFor, type OwnStack } from './support/own-config.ts';
import { pipeCommands, times, type Command } from './support/redis-fill.ts';
import type { TestRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';
import { fileList } from './support/witness.ts';

const HONEST = 'honest';
const JOBS = 30;
/** Databases of a Redis, one of which is the honest service's. */
const AT_ONCE = 15;
/** Each command is answered oddly in so many runs. */
const ROUNDS = 2;

interface Scene {
  readonly stack: OwnStack;
  readonly redis: TestRedis;
}

async function scene(): Promise<Scene> {
  const stack = ownStack();
  return { stack, redis: await redisFor(stack) };
}

/** Jobs, results, messages, and what is another app's. */
function fill(redis: TestRedis, db: number): void {
  const message = (id: string): string => JSON.stringify({ headers: { id }, properties: {} });
  pipeCommands(redis.port, db, [
    ...times(JOBS, (at): Command => ['SET', `job:${at}`, '{"created_at":"2020-01-01T00:00:00Z"}']),
    ...times(JOBS, (at): Command => ['SET', `celery-task-meta-${at}`, 'x']),
    ...times(7, (at): Command => ['LPUSH', 'queue', message(`queued-${at}`)]),
    ...times(5, (at): Command => [
      'HSET',
      'unacked',
      `${at}`,
      `[${message(`f${at}`)}, "", "queue"]`,
    ]),
    ['HSET', 'unacked', 'of-another', '[{}, "", "another"]'],
    ['SADD', '_kombu.binding.queue', 'queue\u0006\u0016\u0006\u0016queue'],
    ['SET', 'another:key', 'x'],
  ]);
}

/** What of the service is there, by redis-cli alone. */
function left(redis: TestRedis, db: number): string {
  const script = `return #redis.call('KEYS', 'job:*') .. ' ' .. redis.call('LLEN', 'queue') .. ' '
    .. redis.call('HLEN', 'unacked') .. ' ' .. redis.call('EXISTS', 'another:key', '_kombu.binding.queue')`;
  return redis.cli('-n', String(db), 'EVAL', script, '0');
}
const CLEAN = '0 0 1 2';

/** A service of each server, and the honest one; the last run's files are made anew. */
function configure({ stack, redis }: Scene, servers: readonly HostileRedis[]): void {
  const service = (name: string, url: string): object => {
    mkdirSync(stack.path(name, 'uploads'), { recursive: true });
    writeFileSync(stack.path(name, 'uploads/file'), 'x');
    const celery = { queues: ['queue'] };
    return { root: name, redis: url, keyPrefix: 'job:', celery, directories: ['uploads'] };
  };
  redis.cli(
    'EVAL',
    `for db = 0, 15 do redis.call('SELECT', db) redis.call('FLUSH' .. 'DB') end`,
    '0',
  );
  for (let db = 0; db <= servers.length; db += 1) fill(redis, db);
  const named = servers.map((server, at): [string, object] => {
    const name = `odd-${at + 1}`;
    return [name, service(name, server.url(at + 1))];
  });
  stack.configAll({ [HONEST]: service(HONEST, redis.url(0)), ...Object.fromEntries(named) });
}

/** Messages are read by single commands then. */
function withoutScripts(command: string): Buffer | undefined {
  return command.toUpperCase() === 'EVAL'
    ? encodeReply(new Error("NOPERM this user has no permissions to run the 'eval' command"))
    : undefined;
}

async function hostile({ redis }: Scene, replace: Replace): Promise<HostileRedis> {
  const server = await startHostileRedis(redis.port, replace);
  onTestFinished(async () => await server.stop());
  return server;
}

/** Runs, and checks that nothing is told that is not, and that nobody else has anything of it. */
async function expectTruth(
  { stack, redis }: Scene,
  cases: readonly string[],
  args: readonly string[] = [],
): Promise<JsonReport> {
  const result = await stack.run(['all', '--yes', '--json', ...args], { timeout: 100_000 });
  const about = `${cases.join('\n')}\n${result.stderr}\n${result.stdout.slice(0, 3000)}`;
  expect(result.stderr, about).not.toMatch(/internal|TypeError|RangeError/);
  expect([0, 1], about).toContain(result.code);
  const report = JSON.parse(result.stdout) as JsonReport;
  expect(report.services[HONEST], about).toMatchObject({
    jobs_removed: JOBS,
    tasks_purged: { queued: 7, in_flight: 5 },
    files_deleted: 1,
    verified: true,
    errors: [],
  });
  expect(left(redis, 0), about).toBe(CLEAN);
  for (const [at, which] of cases.entries()) {
    const name = `odd-${at + 1}`;
    const service = report.services[name];
    const now = left(redis, at + 1);
    expect(now.endsWith(' 2'), `${which}: another's key is gone: ${now}\n${about}`).toBe(true);
    expect(fileList(stack.path(name)), which).toEqual([]);
    expect(service?.jobs_removed, `${which}\n${about}`).toBeLessThanOrEqual(JOBS);
    if (service?.verified === true) expect(now, `${which}: verified\n${about}`).toBe(CLEAN);
  }
  return report;
}

describe.skipIf(!requireOrSkip('redis'))('odd replies', () => {
  test('to any command that is sent', async () => {
    const stage = await scene();
    const recorded = await hostile(stage, () => undefined);
    configure(stage, [recorded]);
    await expectTruth(stage, ['none']);
    expect(recorded.replaced()).toBe(0);
    const commands = [...recorded.seen].toSorted();
    expect(commands.length).toBeGreaterThan(15);
    const roll = dice(SEED);
    const cases = times(ROUNDS, () => ['']).flatMap(() => commands);
    for (let start = 0; start < cases.length; start += AT_ONCE) {
      const now = cases.slice(start, start + AT_ONCE);
      const servers = await Promise.all(
        now.map(async (name) => {
          const own = dice(Math.floor(roll() * 2 ** 32));
          return await hostile(stage, ([command = ''], reply) =>
            command.toUpperCase() === name
              ? encodeReply(own() < 0.5 ? oddReply(own) : nearlyRight(readReply(reply), own))
              : undefined,
          );
        }),
      );
      configure(stage, servers);
      await expectTruth(stage, now);
      for (const server of servers) await server.stop();
    }
  }, 240_000);

  test('that are no replies at all', async () => {
    const stage = await scene();
    const nested = '*1\r\n'.repeat(50_000);
    // While it connects, when all wait at once; two later.
    const cases = [...BROKEN_REPLIES.slice(0, AT_ONCE - 2), nested, '*-7\r\n'];
    const servers = await Promise.all(
      cases.map(async (broken, at) =>
        hostile(stage, ([command = '']) =>
          command.toUpperCase() === (at < AT_ONCE - 2 ? 'INFO' : 'SCAN')
            ? Buffer.from(broken, 'latin1')
            : undefined,
        ),
      ),
    );
    configure(stage, servers);
    await expectTruth(
      stage,
      cases.map((broken) => JSON.stringify(broken.slice(0, 30))),
    );
  }, 120_000);

  test('are told with the command and the shape', async () => {
    const stage = await scene();
    const text = encodeReply(Buffer.from('seven'));
    const answers = {
      SCAN: [text, 'SCAN answered a text of 5 bytes where a cursor and a list were expected'],
      HSCAN: [encodeReply(null), 'HSCAN answered nothing where a cursor and a list were expected'],
      TYPE: [encodeReply([]), 'TYPE answered a list of 0 where a type was expected'],
      LLEN: [text, 'LLEN answered a text of 5 bytes where a count was expected'],
      EXEC: [encodeReply(4), 'EXEC answered the number 4 where a list of 3 was expected'],
    } as const;
    const names = Object.keys(answers) as (keyof typeof answers)[];
    const servers = await Promise.all(
      names.map(async (name) =>
        hostile(stage, ([command = '']) =>
          command.toUpperCase() === name ? answers[name][0] : withoutScripts(command),
        ),
      ),
    );
    configure(stage, servers);
    const report = await expectTruth(stage, names);
    for (const [at, name] of names.entries()) {
      const service = report.services[`odd-${at + 1}`];
      expect(service?.errors.join('\n'), name).toContain(answers[name][1]);
      expect(service?.verified, name).toBe(false);
    }
  }, 120_000);

  test('cursors that come again', async () => {
    const stage = await scene();
    const page = encodeReply([Buffer.from('7'), []]);
    const servers = await Promise.all(
      ['SCAN', 'HSCAN'].map(async (name) =>
        hostile(stage, ([command = '']) =>
          command.toUpperCase() === name ? page : withoutScripts(command),
        ),
      ),
    );
    configure(stage, servers);
    const report = await expectTruth(stage, ['SCAN', 'HSCAN']);
    expect(report.services['odd-1']?.errors.join()).toContain('SCAN came back to the cursor 7');
    expect(report.services['odd-2']?.errors.join()).toContain('HSCAN came back to the cursor 7');
  }, 120_000);
});
