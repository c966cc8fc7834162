/** A worker beside many looks: whatever separator its app sets, it runs new tasks afterwards. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startWorker } from '../support/celery.ts';
import { confine } from '../support/confine.ts';
import { createFolder } from '../support/folder.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { TOOL, toolEnvironment } from '../support/tool.ts';
import { until } from '../support/until.ts';
import { sendMarker } from './marker.ts';
import type { CeleryVersion } from './packages.ts';
import { readRuns } from './runs.ts';

export const SEPARATORS = ['\x06\x16', ':', '|', '::'] as const;

/** `doctor` may have advice about the config, and its exit code with it. */
const LOOKS = `
for n in $(seq "$1"); do "$2" "$3" stats s --json || exit; done
"$2" "$3" doctor s
"$2" "$3" s --dry-run
`;

/** @returns what is wrong; nothing when the worker still works and holds no reply of ours. */
export async function lookOften(
  celery: CeleryVersion,
  separator: string,
  times: number,
): Promise<string | undefined> {
  const folder = createFolder();
  const redis = await startRedis(folder.path);
  const runsFile = join(folder.path, 'runs');
  const worker = startWorker(
    {
      folder: folder.path,
      broker: redis.url(0),
      queues: ['q1'],
      keyPrefix: 'job:',
      runsFile,
      packages: celery.packages,
      ...(separator === SEPARATORS[0] ? {} : { transport: { sep: separator } }),
    },
    { gossip: true },
  );
  const works = async (id: string): Promise<void> => {
    sendMarker(redis, 'q1', id);
    await until(`the task ${id} runs`, () => readRuns(runsFile).markers.includes(id), {
      within: 30_000,
      every: 50,
    });
  };
  try {
    await worker.waitForLog(' ready.', 60_000);
    await works('marker-before');
    const failed = await looks(folder.path, redis, times);
    if (failed !== undefined) return failed;
    await works('marker-after');
    const traces = redis.cli('--scan').split('\n').filter(isTrace);
    return traces.length === 0 ? undefined : `left: ${traces.join(', ')}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    await worker.stop('kill');
    await redis.stop();
    folder.remove();
  }
}

/** A reply list of ours, or its binding. */
function isTrace(key: string): boolean {
  return key.includes('reply.celery.pidbox');
}

async function looks(folder: string, redis: TestRedis, times: number): Promise<string | undefined> {
  const service = { redis: redis.url(0), keyPrefix: 'job:', celery: { queues: ['q1'] } };
  writeFileSync(join(folder, 'cleanup.config.json'), JSON.stringify({ services: { s: service } }));
  const command = ['/bin/sh', '-c', LOOKS, 'looks', String(times), process.execPath, TOOL] as const;
  const { code, stderr } = await confine([...command], {
    folder,
    env: toolEnvironment(folder),
    timeout: 600_000,
  });
  return code === 0 ? undefined : `a look: exit ${String(code)}: ${stderr}`;
}
