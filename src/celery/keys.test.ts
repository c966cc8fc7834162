import { describe, expect, test } from 'vitest';
import {
  brokerKeys,
  classifyQueueKey,
  isProtectedKey,
  isTaskQueue,
  parseBinding,
  queuesOf,
  SEPARATOR,
  separatorBefore,
  separatorOfMailbox,
} from './keys.ts';

describe('the key of a queue', () => {
  test.each([
    ['', 'certain'],
    [`${SEPARATOR}3`, 'certain'],
    [`${SEPARATOR}255`, 'certain'],
    [`${SEPARATOR}x`, 'other'],
    [':3', 'possible'],
    ['--9', 'possible'],
    ['2', 'other'],
    ['_old', 'other'],
    [':3:4', 'other'],
    [':', 'other'],
    [':256', 'other'],
    ['_2024', 'other'],
    [`${SEPARATOR}2024`, 'other'],
    ['-prio-7', 'possible'],
    ['-prio-x', 'other'],
    ['-old-7', 'other'],
  ])('followed by %j is %s', (rest, kind) => {
    expect(classifyQueueKey(Buffer.from(rest), ['-prio-'])).toBe(kind);
  });
});

describe('keys that stay whatever a prefix matches', () => {
  test.each([
    ['_kombu.binding.celery', '', true],
    ['unacked', '', true],
    ['unacked_index', '', true],
    ['unacked_mutex', '', true],
    ['unacked_other', '', false],
    ['app:unacked', 'app:', true],
    ['app:_kombu.binding.x', 'app:', true],
    ['app:unacked', '', false],
    ['job:unacked', '', false],
  ])('%s with the global prefix %j: %s', (key, prefix, stays) => {
    expect(isProtectedKey(Buffer.from(key), { globalKeyPrefix: prefix })).toBe(stays);
  });
});

test('a global key prefix stands before every name', () => {
  const keys = brokerKeys({ globalKeyPrefix: 'app:' });
  expect(keys.unacked.toString()).toBe('app:unacked');
  expect(keys.unackedIndex.toString()).toBe('app:unacked_index');
  expect(keys.binding('x').toString()).toBe('app:_kombu.binding.x');
  expect(keys.queue('q').toString()).toBe('app:q');
});

test.each([
  ['', ['celery-task-meta-\xff']],
  ['app:', ['app:celery-task-meta-\xff', 'app:_celery-task-meta-\xff', 'celery-task-meta-\xff']],
  ['app', ['app_celery-task-meta-\xff', 'celery-task-meta-\xff']],
])('the results of a task with the global prefix %j', (prefix, names) => {
  const { results, resultsOf } = brokerKeys({ globalKeyPrefix: prefix });
  const found = resultsOf(Buffer.from([0xff])).map((key) => key.toString('latin1'));
  expect(found).toEqual(names);
  expect(`${results.toString()}\xff`).toBe(names[0]);
});

test('a result behind no prefix goes too, whatever resultKeyPrefix says', () => {
  const { resultsOf } = brokerKeys({ globalKeyPrefix: 'p:', resultKeyPrefix: 'r' });
  const found = resultsOf(Buffer.from('id')).map(String);
  expect(found).toEqual(['r_celery-task-meta-id', 'celery-task-meta-id']);
});

describe('the queues that a message goes back to', () => {
  const bindings = [
    { routingKey: 'a', pattern: '', queue: 'queue-a' },
    { routingKey: 'b', pattern: '', queue: 'queue-b' },
    { routingKey: 'b', pattern: '', queue: 'queue-c' },
    { routingKey: 'media.*', pattern: String.raw`^media\..*?[^\.]$`, queue: 'topic' },
  ];
  test.each([
    ['', 'own', bindings, ['own']],
    ['direct', 'own', [], ['own']],
    ['direct', 'a', bindings, ['queue-a']],
    ['direct', 'b', bindings, ['queue-b', 'queue-c']],
    ['topic', 'media.video', bindings, ['topic']],
    // No binding has the key: a fanout exchange.
    ['fanout', 'nobody', bindings, ['queue-a', 'queue-b', 'queue-c', 'topic']],
  ])('exchange %j, routing key %j', (exchange, routingKey, known, queues) => {
    expect(queuesOf(exchange, routingKey, known)).toEqual(queues);
  });
});

test('a pattern that kombu did not write is never run: its messages go somewhere unknown', () => {
  const bindings = [
    { routingKey: 'evil', pattern: '^(a+)+$', queue: 'strange' },
    { routingKey: 'b', pattern: '', queue: 'queue-b' },
  ];
  const started = performance.now();
  expect(queuesOf('topic', `${'a'.repeat(100)}b`, bindings)).toEqual(['strange', '?']);
  expect(queuesOf('topic', 'b', bindings)).toEqual(['queue-b', 'strange', '?']);
  expect(performance.now() - started).toBeLessThan(2_000);
});

test('a binding is read from its member', () => {
  expect(parseBinding(Buffer.from(`rk${SEPARATOR}${SEPARATOR}q`))).toEqual({
    routingKey: 'rk',
    pattern: '',
    queue: 'q',
  });
  expect(parseBinding(Buffer.from('something else'))).toBeUndefined();
});

test.each([
  [':', 'media.video::q1', 'media.video', '', 'q1'],
  [':', 'media:video::a:q1', 'media:video', '', 'a:q1'],
  [':', String.raw`media.#:^media\..*?$:q1`, 'media.#', String.raw`^media\..*?$`, 'q1'],
  ['-prio-', '-prio--prio-q1', '', '', 'q1'],
  [SEPARATOR, `a:b${SEPARATOR}${SEPARATOR}q1`, 'a:b', '', 'q1'],
])('a binding with the separator %j', (separator, member, routingKey, pattern, queue) => {
  const bytes = Buffer.from(member);
  expect(parseBinding(bytes, [separator])).toEqual({ routingKey, pattern, queue });
  expect(separatorBefore(queue, bytes)).toBe(separator);
  const mailbox = Buffer.from(`${separator}${separator}w1@host.celery.pidbox`);
  expect(separatorOfMailbox(mailbox)).toBe(separator);
  expect(separatorOfMailbox(bytes)).toBeUndefined();
  expect(separatorBefore('other', bytes)).toBeUndefined();
});

test.each([
  ['', '/3.celery.pidbox', 'oid.reply.celery.pidbox'],
  ['app:', 'app:/3.celery.pidbox', 'app:oid.reply.celery.pidbox'],
])('remote control with the global prefix %j', (prefix, mailbox, replies) => {
  const names = brokerKeys({ globalKeyPrefix: prefix });
  expect(names.mailbox(3).toString()).toBe(mailbox);
  expect(names.replies('oid').toString()).toBe(replies);
});

test.each([
  [{}, '/3.celery.pidbox', 'reply.celery.pidbox'],
  [{ fanoutPrefix: false }, 'celery.pidbox', 'reply.celery.pidbox'],
  [{ fanoutPrefix: 'x{db}.' }, 'x3.celery.pidbox', 'reply.celery.pidbox'],
  [{ fanoutPrefix: 'same.' }, 'same.celery.pidbox', 'reply.celery.pidbox'],
  [{ controlExchange: 'mine' }, '/3.mine.pidbox', 'reply.mine.pidbox'],
] as const)('remote control with %j', (settings, mailbox, replyExchange) => {
  const names = brokerKeys({ globalKeyPrefix: '', ...settings });
  expect(names.mailbox(3).toString()).toBe(mailbox);
  expect(names.replyExchange).toBe(replyExchange);
  expect(names.replies('oid').toString()).toBe(`oid.${replyExchange}`);
});

test("an app's own names of the in-flight messages stay as kombu's do", () => {
  const settings = { globalKeyPrefix: 'a:', unackedKey: 'job:taken', unackedIndexKey: 'job:index' };
  const names = brokerKeys(settings);
  expect(names.unacked.toString()).toBe('a:job:taken');
  expect(names.unackedIndex.toString()).toBe('a:job:index');
  for (const key of ['a:job:taken', 'a:job:index', 'a:unacked', 'unacked']) {
    expect(isProtectedKey(Buffer.from(key), settings)).toBe(true);
  }
});

test('the keys of a group, and of the chord that it is the header of', () => {
  const found = brokerKeys({ globalKeyPrefix: '' })
    .groupKeysOf('g')
    .map((key) => key.toString());
  expect(found).toEqual([
    ...['', '.j', '.t', '.s'].map((part) => `celery-taskset-meta-g${part}`),
    ...['', '.j', '.t', '.s'].map((part) => `chord-unlock-g${part}`),
  ]);
  expect(brokerKeys({ globalKeyPrefix: 'app' }).groupKeysOf('g').map(String)).toContain(
    'app_chord-unlock-g.j',
  );
});

test.each([
  ['worker@host.celery.pidbox', 'worker@host', false],
  ['oid.reply.celery.pidbox', undefined, false],
  ['celeryev.1234', undefined, false],
  ['video', undefined, true],
])('the queue %s', (queue, worker, carriesTasks) => {
  expect(brokerKeys({ globalKeyPrefix: '' }).workerOf(queue)).toBe(worker);
  expect(isTaskQueue(queue)).toBe(carriesTasks);
});

test('our own note is never taken for a job', () => {
  expect(isProtectedKey(Buffer.from('media-cleanup:held-consumers'), { globalKeyPrefix: '' })).toBe(
    true,
  );
  expect(
    isProtectedKey(Buffer.from('app:media-cleanup:held-consumers'), { globalKeyPrefix: 'app:' }),
  ).toBe(true);
});
