/**
 * Messages of Celery's remote control as they stand in Redis. Pure. Sources: kombu/pidbox.py
 * (`Mailbox._publish`, `Node.handle_message`), kombu/transport/virtual/base.py (the envelope).
 */
import { randomUUID } from 'node:crypto';
import { asRecord, asText, parseJson } from './message.ts';

export interface ControlMessage {
  /** `celery.pidbox`, unless the app has another control exchange. */
  readonly exchange: string;
  readonly method: string;
  readonly args: Readonly<Record<string, unknown>>;
  /** Names of workers; undefined: every one that listens. */
  readonly to: readonly string[] | undefined;
  /** Where the reply goes; undefined: no reply. */
  readonly reply:
    { readonly exchange: string; readonly routingKey: string; readonly ticket: string } | undefined;
}

/**
 * What PUBLISH sends. It never expires: a worker that is busy reads it when its task has ended, and
 * a clock that is wrong does not make it deaf.
 */
export function encodeControl({ exchange, method, args, to, reply }: ControlMessage): string {
  const body = {
    method,
    arguments: args,
    destination: to ?? null,
    pattern: null,
    matcher: null,
    ...(reply === undefined
      ? {}
      : {
          ticket: reply.ticket,
          reply_to: { exchange: reply.exchange, routing_key: reply.routingKey },
        }),
  };
  return JSON.stringify({
    body: Buffer.from(JSON.stringify(body)).toString('base64'),
    'content-encoding': 'utf-8',
    'content-type': 'application/json',
    headers: { clock: 1 },
    properties: {
      delivery_mode: 2,
      delivery_info: { exchange, routing_key: '' },
      priority: 0,
      body_encoding: 'base64',
      delivery_tag: randomUUID(),
    },
  });
}

export interface ControlReply {
  readonly ticket: string;
  /** Undefined when the body cannot be read. */
  readonly worker: string | undefined;
  readonly value: unknown;
  /** Workers answer in the app's `task_serializer` (celery/app/control.py), which need not be JSON. */
  readonly contentType: string;
}

/** Undefined when it is no reply of a worker. */
export function decodeReply(bytes: Buffer): ControlReply | undefined {
  const message = asRecord(parseJson(bytes));
  const ticket = asText(asRecord(message?.['headers'])?.['ticket']);
  const encoding = asRecord(message?.['properties'])?.['body_encoding'];
  const body = asText(message?.['body']);
  if (ticket === undefined || body === undefined) return undefined;
  const text = encoding === 'base64' ? Buffer.from(body, 'base64') : Buffer.from(body);
  const [entry] = Object.entries(asRecord(parseJson(text)) ?? {});
  const contentType = asText(message?.['content-type']) ?? 'an unknown format';
  return { ticket, worker: entry?.[0], value: entry?.[1], contentType };
}
