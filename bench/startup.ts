import type { Bench, Contender } from './bench.ts';
import { TOOL, toolEnvironment } from '../test/support/tool.ts';
import { timed } from './timed.ts';

/** What it costs to start, against the least that any program in Node.js costs. */
export const startup: Bench = {
  name: 'startup',
  rounds: 20,
  open: (folder) => {
    const node = (name: string, args: readonly string[], expected: RegExp): Contender => ({
      name,
      run: async () => {
        const command = [process.execPath, ...args];
        const { milliseconds, stdout } = await timed(command, folder, toolEnvironment(folder));
        if (!expected.test(stdout)) throw new Error(`${name} said: ${stdout}`);
        return milliseconds;
      },
    });
    const nothing = node('node -e 0', ['-e', '0'], /^$/);
    const contests = [
      {
        title: 'startup: --version',
        ours: node('--version', [TOOL, '--version'], /^\d+\.\d+\.\d+/),
        peers: [nothing],
        target: {
          text: 'at most 3 times node -e 0',
          met: ({ ratios }: { readonly ratios: readonly number[] }) => (ratios[0] ?? 0) <= 3,
        },
      },
      {
        title: 'startup: --help',
        ours: node('--help', [TOOL, '--help'], /^Usage: media-cleanup/),
        peers: [nothing],
      },
    ];
    return Promise.resolve({ contests, close: () => Promise.resolve() });
  },
};
