import { basename } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

// Tests make files that other users read; a stricter umask of whoever starts them is not theirs.
process.umask(0o022);

/** Files of a minute and more: one that begins last would be waited for alone. */
const LONG = [
  ...['hold', 'scheduled', 'attack', 'cancel', 'redis-proxy', 'redis-cluster', 'redis-locks'],
  ...['selection', 'ghosts', 'passwords', 'consumers', 'guards', 'locks', 'killed', 'neighbours'],
  ...['redis-failures', 'second-signal', 'interruption', 'queues', 'same-server', 'random-trees'],
];

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const at = LONG.indexOf(basename(moduleId, '.test.ts'));
      return at === -1 ? LONG.length : at;
    };
    // oxlint-disable-next-line unicorn/no-array-sort -- no array's
    const usual = await super.sort(files);
    return usual.toSorted((a, b) => place(a) - place(b));
  }
}

// Where CI wants the figures; the console output stays as it is.
const report = process.env['TEST_REPORT_FILE'];

export default defineConfig({
  test: {
    pool: 'forks',
    // Of what a test takes, most is waiting for workers and timeouts, on two processors too.
    maxWorkers: 4,
    sequence: { sequencer: LongFirst },
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
    projects: [
      {
        extends: true,
        // A limit for hangs alone, as below.
        test: {
          name: 'logic',
          include: ['src/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'system',
          include: ['test/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
