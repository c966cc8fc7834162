import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findPython } from '../test/setup/needs.ts';

/** How long another client waited for answers to PING, in milliseconds. */
export interface Latency {
  readonly p99: number;
  readonly worst: number;
}

const SCRIPT = fileURLToPath(new URL('ping_loop.py', import.meta.url));
const execute = promisify(execFile);

/** Another client that pings until it is stopped; it also ends with this process. */
export async function startPinging(port: number): Promise<{ stop: () => Promise<Latency> }> {
  const running = execute(findPython().path, [SCRIPT, String(port)]);
  const { stdin, stdout } = running.child;
  if (stdin === null || stdout === null) throw new Error('no pipes to the process that pings');
  // Told by `stop`; until then it is no unhandled rejection.
  running.catch(() => undefined);
  await Promise.race([once(stdout, 'data'), running]);
  return {
    stop: async () => {
      stdin.end();
      const lines = (await running).stdout.trim().split('\n');
      return JSON.parse(lines.at(-1) ?? '') as Latency;
    },
  };
}
