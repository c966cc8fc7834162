import { expect, test } from 'vitest';
import type { Mailbox, Sent } from './mailbox.ts';
import { enquire } from './workers.ts';

const NAME = 'worker@host';
const DELIVERY = { exchange: '', routing_key: 'video', priority: 0, redelivered: null };

/** Replies by method, as workers send them; a method that is missing is not answered. */
function mailboxWith(replies: Readonly<Record<string, unknown>>): Mailbox {
  return {
    oid: 'oid',
    unreadable: new Set(),
    surplus: new Set(),
    send: async (method) => {
      const known = Object.hasOwn(replies, method);
      const own = new Map(known ? [[NAME, replies[method]]] : []);
      const copies = new Map([...own.keys()].map((name) => [name, 1]));
      return Promise.resolve<Sent>({ reached: 1, replies: own, copies, answered: own.size });
    },
    receive: async () => Promise.resolve(),
    receiveUntil: async () => Promise.resolve(),
    close: async () => Promise.resolve(),
  };
}

const ALL = {
  stats: { pid: 7, uptime: 3, pool: {} },
  active_queues: [{ name: 'video' }, { name: 'other' }],
  revoked: ['gone'],
  active: [{ id: 'a', name: 'fetch', time_start: 12.5, worker_pid: 8, delivery_info: DELIVERY }],
  reserved: [
    { id: 'b', type: 'fetch', time_start: null, worker_pid: null, delivery_info: DELIVERY },
  ],
  scheduled: [
    {
      eta: '2030-01-01T00:00:00',
      priority: 6,
      request: { id: 'c', name: 'fetch', delivery_info: DELIVERY },
    },
    {
      eta: '2030-01-01T00:00:00',
      priority: 6,
      request: { id: 'gone', name: 'x', delivery_info: DELIVERY },
    },
  ],
};

test('what a worker says, scheduled tasks that are revoked apart from the others', async () => {
  const enquiry = await enquire(mailboxWith(ALL), 'with scheduled');
  const task = { name: 'fetch', exchange: '', routingKey: 'video', pid: undefined, eta: undefined };
  expect(enquiry.isComplete()).toBe(true);
  expect(enquiry.silent()).toBe(0);
  expect(enquiry.workers()).toEqual([
    {
      ...{
        name: NAME,
        copies: 1,
        pid: 7,
        uptime: 3,
        hasThreads: false,
        fanouts: [],
        queues: ['video', 'other'],
        complete: true,
      },
      tasks: [
        { ...task, id: 'a', state: 'active', pid: 8, startedAt: 12.5 },
        { ...task, id: 'b', state: 'reserved', startedAt: undefined },
        { ...task, id: 'c', state: 'scheduled', startedAt: undefined, eta: '2030-01-01T00:00:00' },
      ],
      revokedIds: new Set(['gone']),
      revoked: [
        {
          ...{ ...task, id: 'gone', name: 'x', state: 'scheduled', startedAt: undefined },
          eta: '2030-01-01T00:00:00',
        },
      ],
    },
  ]);
});

test('a worker that does not tell one of its lists has not told all', async () => {
  const { reserved: _, ...rest } = ALL;
  const enquiry = await enquire(mailboxWith(rest), 'with scheduled');
  expect(enquiry.isComplete()).toBe(false);
  expect(enquiry.silent()).toBe(0);
  expect(enquiry.workers()[0]).toMatchObject({
    complete: false,
    tasks: [{ id: 'a' }, { id: 'c' }],
  });
});

test.each([
  [{ 'max-concurrency': 2, threads: 2 }, true],
  [{ 'max-concurrency': 2, processes: [8, 9] }, false],
  [{ 'max-concurrency': 2, 'free-threads': 1, 'running-threads': 1 }, false],
  ['N/A', false],
])('whether the pool %j runs tasks in threads', async (pool, hasThreads) => {
  const enquiry = await enquire(mailboxWith({ ...ALL, stats: { pool } }), 'with scheduled');
  expect(enquiry.workers()[0]).toMatchObject({ hasThreads });
});

test('an error instead of a list is no list', async () => {
  const enquiry = await enquire(
    mailboxWith({ ...ALL, active: { error: 'KeyError' }, active_queues: 'x' }),
    'with scheduled',
  );
  expect(enquiry.workers()[0]).toMatchObject({ complete: false, queues: undefined });
});

test('who answers nothing is silent', async () => {
  const enquiry = await enquire(mailboxWith({}), 'with scheduled');
  expect({ silent: enquiry.silent(), workers: enquiry.workers() }).toEqual({
    silent: 1,
    workers: [],
  });
});

test('scheduled tasks are left out where they are not wanted', async () => {
  const { scheduled: _s, revoked: _r, ...rest } = ALL;
  const enquiry = await enquire(mailboxWith(rest), 'without scheduled');
  expect(enquiry.isComplete()).toBe(true);
  expect(enquiry.workers()[0]).toMatchObject({ complete: true, tasks: [{ id: 'a' }, { id: 'b' }] });
});
