import { expect, test } from 'vitest';
import type { Mailbox, Sent } from './mailbox.ts';
import { enquire, takesNoMessage } from './workers.ts';

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
  const task = {
    ...{ name: 'fetch', exchange: '', routingKey: 'video', pid: undefined, eta: undefined },
    acknowledged: false,
  };
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
        prefetchCount: undefined,
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

const held = (ids: string, acknowledged = false): readonly object[] =>
  Array.from(ids, (id) => ({ id, name: 'fetch', acknowledged, delivery_info: DELIVERY }));
const FULL = {
  ...{ stats: { prefetch_count: 3 }, active_queues: [{ name: 'video' }] },
  ...{ active: held('a'), reserved: held('bc'), scheduled: [], revoked: [] },
};

test.each([
  ['holds as many messages as it may', {}, true],
  ['may hold another', { stats: { prefetch_count: 4 } }, false],
  ['may hold any number', { stats: { prefetch_count: 0 } }, false],
  ['does not say how many it may hold', { stats: {} }, false],
  ['has acknowledged what it runs', { active: held('a', true) }, false],
  [
    'has acknowledged what it runs, and holds more',
    { active: held('a', true), reserved: held('bcd') },
    true,
  ],
  ['told a task twice that began meanwhile', { reserved: held('ab') }, false],
  [
    'waits until a task is due',
    { reserved: held('b'), scheduled: held('c').map((request) => ({ request })) },
    true,
  ],
  [
    'waits until a revoked task is due',
    { reserved: held('b'), scheduled: held('c').map((request) => ({ request })), revoked: ['c'] },
    true,
  ],
  ['holds nothing and consumes nothing', { active: [], reserved: [], active_queues: [] }, true],
  ['holds nothing', { active: [], reserved: [] }, false],
])('whether a worker takes no message that %s', async (_, replies, is) => {
  const enquiry = await enquire(mailboxWith({ ...FULL, ...replies }), 'with scheduled');
  expect(enquiry.workers().map(takesNoMessage)).toEqual([is]);
});
