import { defineConfig } from 'vitest/config';

// Tests make files that other users read; a stricter umask of whoever starts them is not theirs.
process.umask(0o022);

// Where CI wants the figures; the console output stays as it is.
const report = process.env['TEST_REPORT_FILE'];

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
    projects: [
      { extends: true, test: { name: 'logic', include: ['src/**/*.test.ts'] } },
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
