/** Keys of other job queues beside those of a service, and Celery's queues for messages to all workers. */
import { expect, test } from 'vitest';
import { enqueue, runPython, type CeleryApp } from './support/celery.ts';
import { wipeJson, writeConfig } from './support/config-file.ts';
import { testFolder } from './support/folder.ts';
import { redisOfTest } from './support/redis-of-test.ts';
import { requireOrSkip } from './support/requirements.ts';
import { runTool } from './support/tool.ts';

const JOB = JSON.stringify({ id: '1', status: 'queued', created_at: '2026-01-01T00:00:00' });

test.skipIf(!requireOrSkip('redis', 'celery'))(
  'are named by doctor, and a wipe leaves them and is verified',
  async () => {
    const folder = testFolder();
    const redis = await redisOfTest(folder);
    const app: CeleryApp = {
      ...{ folder, broker: redis.url(1), queues: ['service_queue'], keyPrefix: 'job:' },
    };
    const cli = (...args: readonly string[]): string => redis.cli('-n', '1', ...args);
    const declared = runPython(
      app,
      `
from kombu.common import Broadcast
with app.connection_for_write() as connection:
    queue = Broadcast("notices", unique=True)(connection.default_channel)
    queue.declare()
    print(queue.name)
`,
    );
    enqueue(app, [{ id: 'notice', save: false }, { id: 'ours' }]);
    // As kombu gives back what a worker had not acknowledged when it was stopped.
    cli('RPOPLPUSH', 'service_queue', declared);
    cli('MSET', 'bull:video:meta', 'x', 'arq:result:1', JOB, 'dramatiq:x', 'x');
    cli('HSET', 'rq:job:0b54bd4c-6d0c-4a3c-9a3e-6b3f1f0f8a11', 'id', '1', 'status', 'queued');
    cli('HSET', 'bull:video:17', 'id', '17', 'status', 'x', 'created_at', '2026-01-01');
    cli('RPUSH', 'queue:default', 'x');
    cli('RPUSH', 'huey.redis.app', 'x');
    const isForeign = (key: string): boolean =>
      /^(?:bull|arq|dramatiq|rq|queue:|huey|bcast)/.test(key);
    const others = redis.dump(1, isForeign);
    const config = writeConfig(folder, {
      service: { redis: redis.url(1), keyPrefix: 'job:', celery: { queues: ['service_queue'] } },
    });
    const { stdout } = await runTool(['doctor', 'all', '--json', '--config', config], { folder });
    expect(stdout).toMatch(/1 queue of Celery's Broadcast/);
    expect(stdout).toContain(`redis-cli UNLINK ${declared}`);
    const diagnosis = JSON.parse(stdout) as {
      services: { service: { families: readonly { prefix: string; belongs_to: string | null }[] } };
    };
    const owners = diagnosis.services.service.families.map(({ belongs_to }) => belongs_to);
    const programs = ['RQ', 'Bull', 'arq', 'Dramatiq', 'Huey', 'Sidekiq', 'Celery Broadcast'];
    expect(owners).toEqual(expect.arrayContaining(programs));
    const { code, report, stderr } = await wipeJson(config, { folder });
    expect(report.errors, stderr).toEqual([]);
    expect(report).toMatchObject({ jobs_removed: 1, verified: true });
    expect(report.warnings.filter((text) => !text.includes('Broadcast'))).toEqual([]);
    expect(code).toBe(0);
    expect(redis.dump(1, isForeign)).toBe(others);
    // With no job left nothing looks like the service's own jobs either.
    const again = await wipeJson(config, { folder });
    expect(again.report.errors).toEqual([]);
    expect(again.report.warnings.filter((text) => !text.includes('Broadcast'))).toEqual([]);
    expect(again.code).toBe(0);
  },
);
