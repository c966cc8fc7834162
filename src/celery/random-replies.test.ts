import { expect, test } from 'vitest';
import { dice, SEED } from '../../test/support/dice.ts';
import { createRevocations } from './control/revocations.ts';
import type { Mailbox, Sent } from './mailbox.ts';
import { decodeReply } from './pidbox.ts';
import { askForQueues, enquire } from './workers.ts';

/** Replies of any shape that somebody may push to our list: read without an error, and of known types. */

const ROUNDS = 10_000;
const METHODS = ['stats', 'active_queues', 'active', 'reserved', 'scheduled', 'revoked'] as const;

function randomFrom(seed: number): (below: number) => number {
  const random = dice(seed);
  return (below) => Math.floor(random() * below);
}

const KEYS = [
  ...['id', 'name', 'type', 'delivery_info', 'routing_key', 'exchange', 'request', 'eta', 'pid'],
  ...['uptime', 'worker_pid', 'time_start', 'ok', 'error', '__proto__', 'constructor', '\u001b[2J'],
];
const SCALARS = [
  null,
  true,
  0,
  -1,
  1e308,
  'video',
  '',
  '\u0000\u001b',
  'x'.repeat(300),
  '{}',
  'fanout',
];

function randomValue(below: (most: number) => number, depth: number): unknown {
  const kind = below(depth > 3 ? 1 : 4);
  if (kind < 2) return SCALARS[below(SCALARS.length)];
  const length = below(5);
  const values = Array.from({ length }, () => randomValue(below, depth + 1));
  if (kind === 2) return values;
  return Object.fromEntries(values.map((value) => [KEYS[below(KEYS.length)], value]));
}

test.each(METHODS)('10,000 random replies to %s', async (method) => {
  const below = randomFrom(SEED + METHODS.indexOf(method));
  for (let round = 0; round < ROUNDS; round += 1) {
    const body = below(9) === 0 ? randomValue(below, 0) : { 'w@x': randomValue(below, 0) };
    const encoded = Buffer.from(JSON.stringify(body)).toString('base64');
    const message = JSON.stringify(
      below(9) === 0
        ? randomValue(below, 0)
        : { body: encoded, headers: { ticket: 't' }, properties: { body_encoding: 'base64' } },
    );
    const cut = below(5) === 0 ? message.slice(0, below(message.length + 1)) : message;
    const reply = decodeReply(Buffer.from(cut));
    if (reply === undefined) continue;
    const { worker = 'w@x', value } = reply;
    const mailbox = mailboxOf(method, worker, value);
    const [told] = (await enquire(mailbox, 'with scheduled')).workers();
    const tasks = [...(told?.tasks ?? []), ...(told?.revoked ?? [])];
    for (const { id, routingKey, exchange } of tasks) {
      expect([typeof id, typeof routingKey, typeof exchange]).toEqual([
        'string',
        'string',
        'string',
      ]);
    }
    for (const queue of told?.queues ?? []) expect(typeof queue).toBe('string');
    // One question of six is answered: whatever the answer, not everything is known.
    expect(told?.complete ?? false).toBe(false);
    if (method === 'active_queues') await askForQueues(mailbox, [worker]);
  }
});

test('10,000 random replies to revoke', async () => {
  const below = randomFrom(SEED);
  for (let round = 0; round < ROUNDS; round += 1) {
    const value = randomValue(below, 0);
    const has = (name: string): boolean =>
      value !== null && typeof value === 'object' && Object.hasOwn(value, name);
    const revocations = createRevocations();
    await revocations.tell(mailboxOf('revoke', 'w@x', value), 'w@x', [
      { id: 't', state: 'active' },
    ]);
    expect({
      cannotKill: revocations.cannotKill('w@x'),
      isConfirmed: revocations.isConfirmed('w@x', 't'),
    }).toEqual({ cannotKill: has('error'), isConfirmed: has('ok') && !has('error') });
  }
});

function mailboxOf(answered: string, worker: string, value: unknown): Mailbox {
  return {
    oid: 'oid',
    unreadable: new Set(),
    surplus: new Set(),
    send: async (method) => {
      const replies = new Map(method === answered ? [[worker, value]] : []);
      const copies = new Map([...replies.keys()].map((name) => [name, 1]));
      return Promise.resolve<Sent>({ reached: 1, replies, copies, answered: replies.size });
    },
    receive: async () => Promise.resolve(),
    receiveUntil: async () => Promise.resolve(),
    close: async () => Promise.resolve(),
  };
}
