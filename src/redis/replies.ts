import { RedisError } from './errors.ts';

/** A reply as Redis sent it: bulk strings as Buffers, errors thrown. */
export type Reply = Buffer | number | null | readonly Reply[];

/** A reply of another shape than its command has: the server's doing, and told as such. */
export function unexpectedReply(command: string, reply: unknown, expected: string): RedisError {
  return new RedisError(
    'EREPLY',
    `${command} answered ${shapeOf(reply)} where ${expected} was expected`,
    'look at what listens there: a proxy, or a server that is not quite Redis',
    { command },
  );
}

/** In words, without what is in it: that may be a secret. */
function shapeOf(reply: unknown): string {
  if (reply === null || reply === undefined) return 'nothing';
  if (Array.isArray(reply)) return `a list of ${reply.length}`;
  if (Buffer.isBuffer(reply) || typeof reply === 'string') return 'a text';
  return reply instanceof Error ? 'an error' : `a ${typeof reply}`;
}

/** Whether it is exactly this text, as a status (`OK`) or a string. */
export function isText(reply: Reply, text: string): boolean {
  return Buffer.isBuffer(reply) && reply.toString('latin1') === text;
}
