import { expect, test } from 'vitest';
import { decodeReply, encodeControl } from './pidbox.ts';

interface Envelope {
  readonly body: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly properties: Readonly<Record<string, unknown>>;
}

test('a message of remote control, as kombu writes it, that never expires', () => {
  const text = encodeControl({
    exchange: 'celery.pidbox',
    method: 'cancel_consumer',
    args: { queue: 'video' },
    to: ['worker@host'],
    reply: { exchange: 'reply.celery.pidbox', routingKey: 'oid', ticket: 'ticket' },
  });
  const envelope = JSON.parse(text) as Envelope;
  expect(JSON.parse(Buffer.from(envelope.body, 'base64').toString())).toEqual({
    method: 'cancel_consumer',
    arguments: { queue: 'video' },
    destination: ['worker@host'],
    pattern: null,
    matcher: null,
    ticket: 'ticket',
    reply_to: { exchange: 'reply.celery.pidbox', routing_key: 'oid' },
  });
  expect(envelope.headers).not.toHaveProperty('expires');
  expect(envelope.properties).toMatchObject({ body_encoding: 'base64', priority: 0 });
});

test('without a reply nobody is asked for one', () => {
  const text = encodeControl({
    ...{ exchange: 'celery.pidbox', method: 'ping', args: {}, to: undefined, reply: undefined },
  });
  const body = Buffer.from((JSON.parse(text) as Envelope).body, 'base64').toString();
  expect(JSON.parse(body)).toEqual({
    ...{ method: 'ping', arguments: {}, destination: null, pattern: null, matcher: null },
  });
});

function reply(body: string, more: object = {}): Buffer {
  const message = {
    body: Buffer.from(body).toString('base64'),
    'content-type': 'application/json',
    headers: { ticket: 'ticket', clock: 3 },
    properties: { body_encoding: 'base64' },
    ...more,
  };
  return Buffer.from(JSON.stringify(message));
}

test('a reply names its worker', () => {
  expect(decodeReply(reply('{"worker@host": {"ok": "pong"}}'))).toEqual({
    ticket: 'ticket',
    worker: 'worker@host',
    value: { ok: 'pong' },
    contentType: 'application/json',
  });
});

test('a reply in another format is one, but cannot be read', () => {
  const pickled = reply('\x80\x05}', { 'content-type': 'application/x-python-serialize' });
  expect(decodeReply(pickled)).toEqual({
    ticket: 'ticket',
    worker: undefined,
    value: undefined,
    contentType: 'application/x-python-serialize',
  });
});

test.each(['', 'x', '[]', '{}', '{"headers": {"ticket": 5}, "body": "x"}'])(
  'no reply: %s',
  (text) => {
    expect(decodeReply(Buffer.from(text))).toBeUndefined();
  },
);
