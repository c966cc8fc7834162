/** `metricsText` before the judge that operators use: promtool. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { describe, expect, test } from 'vitest';
import { metricsText } from '../src/report/metrics.ts';
import type { RunMetrics } from '../src/report/metrics.ts';
import { findCommand } from './setup/needs.ts';
import { testFolder } from './support/folder.ts';
import { emptyService, TROUBLED } from './support/reports.ts';
import { requireOrSkip } from './support/requirements.ts';

const RUN: RunMetrics = {
  startedAt: TROUBLED.startedAt,
  finishedAt: TROUBLED.finishedAt,
  exitCode: 1,
  services: TROUBLED.services,
};

function promtool(text: string) {
  const { status, stderr } = spawnSync(findCommand('promtool') ?? '', ['check', 'metrics'], {
    input: text,
    encoding: 'utf8',
  });
  return { status, stderr };
}

describe.skipIf(!requireOrSkip('promtool'))('promtool has nothing to say', () => {
  test.each<[string, RunMetrics, string | undefined]>([
    ['of a run with errors', RUN, undefined],
    ['of a success', { ...RUN, exitCode: 0 }, undefined],
    ['of no services', { ...RUN, services: [] }, undefined],
    ['of a run that could not start', { ...RUN, exitCode: 75, services: undefined }, undefined],
    [
      'of hostile names and large numbers',
      {
        ...RUN,
        services: [
          { ...emptyService('a"b\\c\nd\re\0f{}=,#é🔥'), bytesFreed: 1e22 },
          emptyService('__proto__'),
          emptyService(''),
        ],
      },
      undefined,
    ],
  ])('%s', async (_, run, previous) => {
    expect(promtool(await metricsText(run, previous))).toEqual({ status: 0, stderr: '' });
  });

  test('and would say something', async () => {
    const text = (await metricsText(RUN, undefined)).replaceAll('media_cleanup_errors', 'x_total');
    expect(promtool(text).stderr).toContain('non-counter metrics should not have "_total"');
  });
});

/** The library is CommonJS: what works from node_modules need not work in dist/. */
test('the same when bundled', async () => {
  const folder = testFolder();
  await build({
    entryPoints: [fileURLToPath(new URL('../src/report/metrics.ts', import.meta.url))],
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    mainFields: ['module', 'main'],
    banner: {
      js: "import { createRequire } from 'node:module';const require = createRequire(import.meta.url);",
    },
  });
  const url = pathToFileURL(join(folder, 'metrics.mjs')).href;
  const bundled = (await import(/* @vite-ignore */ url)) as { metricsText: typeof metricsText };
  expect(await bundled.metricsText(RUN, undefined)).toBe(await metricsText(RUN, undefined));
});
