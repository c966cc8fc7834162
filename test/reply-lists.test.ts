/** Lists of replies that clients have left behind: results of rpc://, replies to remote control. */
import { describe, expect, test } from 'vitest';
import { ownStack, redisFor } from './support/own-config.ts';
import { requireOrSkip } from './support/requirements.ts';

const possible = requireOrSkip('redis');

const id = (end: number): string => `d5fd099c-fd53-32ae-9168-b079fa2716b${end}`;

/** As the worker's result backend `rpc://` publishes it (celery/backends/rpc.py, seen with Celery 5.2). */
function rpcResult(client: string): string {
  return JSON.stringify({
    ...{ body: 'e30=', 'content-encoding': 'utf-8', 'content-type': 'application/json' },
    headers: {},
    properties: {
      ...{ correlation_id: 'task', delivery_mode: 1, priority: 0, body_encoding: 'base64' },
      delivery_info: { exchange: '', routing_key: client },
    },
  });
}

const AGE =
  "redis.call('RESTORE', KEYS[1], 0, redis.call('DUMP', KEYS[1]), 'REPLACE', 'IDLETIME', 4000)";

async function scene(celery: object) {
  const stack = ownStack();
  const redis = await redisFor(stack);
  const old: string[] = [];
  const age = (): void => {
    for (const key of old) redis.cli('EVAL', AGE, '1', key);
  };
  const list = (key: string, text: string, isOld: boolean): void => {
    redis.cli('RPUSH', key, text);
    if (isOld) old.push(key);
  };
  list(id(1), rpcResult(id(1)), true);
  list(id(2), rpcResult(id(2)), true);
  list(id(3), rpcResult(id(3)), false);
  list(`${id(4)}.reply.celery.pidbox`, '{}', true);
  list(`${id(5)}.reply.celery.pidbox`, '{}', false);
  // Of other programs: no message of Celery, one for another queue, no list.
  list(id(6), 'text', true);
  list(id(7), rpcResult('other'), true);
  redis.cli('SET', id(8), 'text');
  age();
  stack.config({ redis: redis.url(0), keyPrefix: 'job:', celery: { queues: ['work'], ...celery } });
  const left = (): readonly string[] =>
    redis
      .entries(0)
      .map(({ key }) => key)
      .toSorted();
  return { stack, redis, left, age };
}

const OTHERS = [id(6), id(7), id(8)];
const RECENT = [id(3), `${id(5)}.reply.celery.pidbox`];

describe.skipIf(!possible)('lists of replies that no client fetches', () => {
  test('are named by doctor; --fix removes those of remote control', async () => {
    const { stack, left, age } = await scene({});
    const before = left();
    // Looking at the keys has touched them.
    age();
    const { stdout } = await stack.run(['doctor', 'media']);
    expect(stdout).toMatch(/2 lists of rpc:\/\/ results and 1 reply list of remote control/);
    expect(stdout).toContain('"results": "all"');
    expect(left()).toEqual(before);
    age();
    await stack.run(['doctor', 'media', '--fix']);
    expect(left()).toEqual([id(1), id(2), ...OTHERS, ...RECENT].toSorted());
    // A wipe of own results leaves the others' alone.
    await stack.wipe();
    expect(left()).toEqual([id(1), id(2), ...OTHERS, ...RECENT].toSorted());
  });

  test('go with results "all", and no others', async () => {
    const { stack, redis, left } = await scene({ results: 'all' });
    const { service, stderr } = await stack.wipe();
    expect(stderr).toContain('3 reply lists of clients that are gone removed');
    expect(service['warnings']).toContainEqual(
      expect.stringMatching(/2 reply lists of clients .*left/),
    );
    expect(left()).toEqual([...OTHERS, ...RECENT].toSorted());
    // Where Redis does not tell the time nothing is known to be orphaned.
    redis.cli('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lfu');
    redis.cli('RPUSH', id(1), rpcResult(id(1)));
    await stack.wipe();
    expect(left()).toEqual([id(1), ...OTHERS, ...RECENT].toSorted());
  });
});
