/** A task of after the wipe, written as Celery does: starting Python for each would take long. */
import { randomUUID } from 'node:crypto';
import type { TestRedis } from '../support/redis.ts';

/** Puts a message for the task `quick` into a list of kombu's. */
export function sendMarker(redis: TestRedis, list: string, id: string): void {
  const embed = { callbacks: null, errbacks: null, chain: null, chord: null };
  const message = {
    body: Buffer.from(JSON.stringify([[], {}, embed])).toString('base64'),
    'content-encoding': 'utf-8',
    'content-type': 'application/json',
    headers: { lang: 'py', task: 'quick', id, root_id: id, parent_id: null, group: null },
    properties: {
      correlation_id: id,
      reply_to: randomUUID(),
      delivery_mode: 2,
      delivery_info: { exchange: '', routing_key: list },
      priority: 0,
      body_encoding: 'base64',
      delivery_tag: randomUUID(),
    },
  };
  redis.cli('LPUSH', list, JSON.stringify(message));
}
