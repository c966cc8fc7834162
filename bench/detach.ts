import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { join } from 'node:path';
import { mountAt } from '../test/support/folder.ts';
import { requireOrSkip } from '../test/support/requirements.ts';
import { backgroundPids } from '../test/support/runs.ts';
import { TOOL, toolEnvironment } from '../test/support/tool.ts';
import { until } from '../test/support/until.ts';
import { countFiles } from '../test/support/witness.ts';
import type { Bench } from './bench.ts';
import { timed } from './timed.ts';

/** How long `--detach` keeps whoever waits for it: neither the files nor a deaf Redis may matter. */
export const detach: Bench = {
  name: 'detach',
  rounds: 20,
  open: async (folder, { small }) => {
    const [directories, files] = small ? [10, 100] : [1000, 1000];
    const server = await deafServer();
    const { port } = server.address() as AddressInfo;
    const media = join(folder, 'media');
    makeFiles(media, directories, files);
    mkdirSync(join(folder, 'home'));
    const service = {
      redis: `redis://127.0.0.1:${port}/0`,
      keyPrefix: 'job:',
      directories: ['media'],
    };
    writeFileSync(join(folder, 'cleanup.config.json'), JSON.stringify({ services: { service } }));
    const command = [process.execPath, TOOL, 'all', '--yes', '--detach', '--json'];
    const run = async (): Promise<number> => {
      const { milliseconds, stdout } = await timed(command, folder, toolEnvironment(folder));
      if (!stdout.includes('"processing"')) throw new Error(`--detach said: ${stdout}`);
      await endBackground(folder);
      return milliseconds;
    };
    return {
      contests: [
        {
          title: `detach: ${directories * files} files and a Redis that does not answer, 1 service`,
          ours: { name: 'media-cleanup --detach', run },
          peers: [],
          target: { text: 'never over 500 ms', met: ({ max }) => max <= 500 },
        },
      ],
      close: async () => {
        server.close();
        await endBackground(folder);
        // Killed before Redis was given up: all is there for the next round.
        const left = countFiles(media);
        if (left !== directories * files) throw new Error(`only ${left} files are left`);
      },
    };
  },
};

/** The run itself is not measured: it ends while it still waits for Redis. */
async function endBackground(folder: string): Promise<void> {
  for (const pid of backgroundPids(folder)) process.kill(pid, 'SIGKILL');
  await until('the background ends', () => backgroundPids(folder).length === 0);
}

/** Accepts connections and never says a word. */
async function deafServer(): Promise<Server> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined).resume());
  });
  server.on('close', () => {
    for (const socket of sockets) socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

/** In memory where that can be had: a million files on a disk take minutes to make. */
function makeFiles(media: string, directories: number, files: number): void {
  const size = 'size=2g,nr_inodes=1100k';
  if (requireOrSkip('root', 'mount')) mountAt(media, ['-t', 'tmpfs', '-o', size, 'none']);
  else mkdirSync(media);
  const script = `for d in $(seq ${directories}); do mkdir $d; (cd $d; seq ${files} | xargs touch); done`;
  execFileSync('bash', ['-c', script], { cwd: media });
}
