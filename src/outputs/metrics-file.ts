import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { metricsText } from '../report/metrics.ts';
import type { RunMetrics } from '../report/metrics.ts';
import { writeAtomically } from './atomic-file.ts';

/**
 * For node_exporter's textfile collector, which runs as another user. The time of the last success
 * is carried over from what the file holds. @throws the system error.
 */
export async function writeMetrics(file: string, run: RunMetrics): Promise<void> {
  const previous = await readRegular(file);
  await writeAtomically(file, await metricsText(run, previous), 0o644);
}

/** Undefined when there is none, or what is there has no past: a pipe would be waited for. */
async function readRegular(file: string): Promise<string | undefined> {
  try {
    const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      return (await handle.stat()).isFile() ? await handle.readFile('utf8') : undefined;
    } finally {
      await handle.close();
    }
  } catch {
    return undefined;
  }
}
