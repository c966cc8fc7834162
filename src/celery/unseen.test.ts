import { expect, test } from 'vitest';
import type { RedisConnection } from '../redis/connect.ts';
import { RedisError } from '../redis/errors.ts';
import { brokerKeys } from './keys.ts';
import { showsUnseenWorker } from './unseen.ts';

const WORKER = 'worker.#\x06\x16\x06\x16celeryev.1';
const OWN_SEPARATOR = 'worker.#::celeryev.1';
const FLOWER = '#\x06\x16\x06\x16celeryev.2';
const REFUSED = new RedisError('NOPERM', 'this user may not', '');

test.each([
  [1, [WORKER], true],
  [1, [FLOWER, OWN_SEPARATOR], true],
  [REFUSED, [WORKER], true],
  [0, [WORKER], false],
  [1, [FLOWER], false],
  [1, [], false],
  [1, REFUSED, false],
])('%j patterns and bindings %j show an unseen worker: %s', async (patterns, members, is) => {
  const broker = {
    send: async (command: string) => {
      const reply = command === 'PUBSUB' ? patterns : members;
      if (reply instanceof RedisError) throw reply;
      return Promise.resolve(
        Array.isArray(reply) ? reply.map((member) => Buffer.from(member)) : reply,
      );
    },
  } as unknown as RedisConnection;
  expect(await showsUnseenWorker(broker, brokerKeys({ globalKeyPrefix: '' }))).toBe(is);
});
