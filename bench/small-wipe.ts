import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startRedis } from '../test/support/redis.ts';
import type { TestRedis } from '../test/support/redis.ts';
import {
  directoryOf,
  makeStack,
  SERVICE_NAMES,
  SERVICES,
  stackEnvironment,
} from '../test/support/stack.ts';
import { TOOL } from '../test/support/tool.ts';
import { countFiles } from '../test/support/witness.ts';
import type { Bench, Contender } from './bench.ts';
import { timed } from './timed.ts';

const NEIGHBOUR = 'somebody_else:key';

/** The whole process on a stack as it is on an ordinary day, against doing it by hand. */
export const smallWipe: Bench = {
  name: 'small-wipe',
  rounds: 9,
  open: async (folder, { small }) => {
    const count = small ? 50 : 1000;
    const redis = await startRedis(folder);
    makeStack(folder);
    mkdirSync(join(folder, 'home'));
    const env = stackEnvironment(folder, redis);
    const contender = (name: string, command: readonly string[]): Contender => ({
      name,
      run: async () => {
        fill(folder, redis, count);
        const { milliseconds } = await timed(command, folder, env);
        checkGone(name, folder, redis);
        return milliseconds;
      },
    });
    return {
      contests: [
        {
          title: `small-wipe: 3 services with ${count} files and ${count} jobs each, whole process`,
          ours: contender('media-cleanup', [process.execPath, TOOL, 'all', '--yes', '--json']),
          peers: [contender('redis-cli and rm', ['/bin/bash', '-c', byHand(folder, redis)])],
          target: { text: 'under 400 ms', met: ({ median }) => median < 400 },
        },
      ],
      close: () => redis.stop(),
    };
  },
};

/** What operators did before: no question, no check, no report, no look whether it is gone. */
function byHand(folder: string, redis: TestRedis): string {
  return SERVICE_NAMES.map((name) => {
    const { db, keyPrefix, queue, directories } = SERVICES[name];
    const cli = `redis-cli -p ${redis.port} -n ${db}`;
    const paths = directories.map((directory) => `${directoryOf(folder, name, directory)}/*`);
    return [
      `${cli} --scan --pattern '${keyPrefix}*' | xargs ${cli} unlink`,
      `${cli} del ${queue}`,
      `rm -rf ${paths.join(' ')}`,
    ].join('\n');
  }).join('\n');
}

/** 4 KiB a file, the services' usual size of a job, a tenth of the jobs still queued. */
function fill(folder: string, redis: TestRedis, count: number): void {
  const content = Buffer.alloc(4096, 'media');
  const value = JSON.stringify({ status: 'completed', detail: 'x'.repeat(560) });
  for (const name of SERVICE_NAMES) {
    const { db, keyPrefix, queue, directories } = SERVICES[name];
    for (const [index, directory] of directories.entries()) {
      const path = join(directoryOf(folder, name, directory), 'below');
      mkdirSync(path);
      for (let file = index; file < count; file += directories.length) {
        writeFileSync(join(path, `file-${file}.mp3`), content);
      }
    }
    const commands = [`SET ${NEIGHBOUR} stays`];
    for (let job = 0; job < count; job++) {
      commands.push(`SET ${keyPrefix}${job} '${value}'`);
      if (job % 10 === 0) commands.push(`LPUSH ${queue} '{"headers":{"id":"${job}"}}'`);
    }
    redis.cliInput(`${commands.join('\n')}\n`, '-n', String(db), '--pipe');
  }
}

function checkGone(who: string, folder: string, redis: TestRedis): void {
  for (const name of SERVICE_NAMES) {
    // A SCAN while the emptied table shrinks can show a key twice.
    const keys = new Set(redis.cli('-n', String(SERVICES[name].db), '--scan').split('\n'));
    const files = SERVICES[name].directories.map((directory) =>
      countFiles(directoryOf(folder, name, directory)),
    );
    if (keys.size !== 1 || !keys.has(NEIGHBOUR) || files.some((left) => left > 0)) {
      throw new Error(
        `${who}: ${name} still has ${files.join(' + ')} files, keys:\n${[...keys].join('\n')}`,
      );
    }
  }
}
