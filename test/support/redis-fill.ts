/** Many keys at once, by `redis-cli --pipe`. */
import { execFileSync } from 'node:child_process';

/** Bytes as latin1 characters, as in `RedisEntry`. */
export type Command = readonly [name: string, ...args: string[]];

/**
 * Sends the commands on one connection and waits for every reply.
 * @throws Error when Redis answers one of them with an error.
 */
export function pipeCommands(port: number, db: number, commands: readonly Command[]): void {
  const output = execFileSync('redis-cli', ['-p', String(port), '-n', String(db), '--pipe'], {
    input: Buffer.from(commands.map(encode).join(''), 'latin1'),
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: 20_000,
  });
  if (!output.includes(`errors: 0, replies: ${commands.length}\n`)) {
    throw new Error(`redis-cli --pipe: ${output}`);
  }
}

/** `count` commands, made from the numbers from 0. */
export function times(count: number, command: (at: number) => Command): Command[] {
  return Array.from({ length: count }, (_, at) => command(at));
}

function encode(command: Command): string {
  return `*${command.length}\r\n${command.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`;
}
