/** Who goes on writing while a wipe runs: seen, removed, reported, and never waited for without end. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { fillQuickly, liveStack, type LiveStack } from './support/live-stack.ts';
import { requireOrSkip } from './support/requirements.ts';
import { directoryOf } from './support/stack.ts';
import { entryList } from './support/witness.ts';
import { until, VIDEO, wipeVideo } from './support/video-workers.ts';

/** Saves a job and a file every 50 ms, as a service does that nobody has stopped. */
function startWriter(stack: LiveStack, count = 100_000): ChildProcess {
  const script = `
    n=0
    while [ $n -lt ${count} ]; do
      n=$((n + 1))
      redis-cli -p ${stack.redis.port} -n 1 SET video_job:writer-$n '{}' >/dev/null
      echo x > "$1/writer-$n.mp4"
      sleep 0.05
    done`;
  const downloads = directoryOf(stack.folder, VIDEO, 'downloads');
  const writer = spawn('/bin/bash', ['-c', script, 'writer', downloads], { detached: true });
  onTestFinished(() => stopWriter(writer));
  return writer;
}

function stopWriter(writer: ChildProcess): void {
  try {
    if (writer.pid !== undefined) process.kill(-writer.pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

async function started(stack: LiveStack): Promise<void> {
  const downloads = directoryOf(stack.folder, VIDEO, 'downloads');
  await until('the writer', () => readdirSync(downloads).some((name) => name.startsWith('writer')));
}

describe.skipIf(!requireOrSkip('redis', 'celery'))('a writer that never stops', () => {
  // A writer that gets no processor for a fifth of a second writes nothing meanwhile.
  test.each([1, 2, 3, 4, 5])('is reported, and the wipe ends: time %i', { retry: 2 }, async () => {
    const stack = await liveStack();
    fillQuickly(stack, [VIDEO]);
    startWriter(stack);
    await started(stack);
    const { code, report, service, durationMs } = await wipeVideo(stack);
    expect(code).toBe(1);
    expect(durationMs).toBeLessThan(20_000);
    expect(report).toMatchObject({ status: 'completed_with_errors', verified: false });
    expect(service.came_back['jobs']).toBeGreaterThan(0);
    expect(service.came_back['files']).toBeGreaterThan(0);
    const { remaining } = service;
    expect((remaining['jobs'] ?? 0) + (remaining['files'] ?? 0)).toBeGreaterThan(0);
    expect(service.warnings).toEqual([
      expect.stringMatching(
        /^came back during the wipe: \d+ jobs?, \d+ files?, removed again; something still writes/,
      ),
      expect.stringMatching(/^still there: .*(video_job:writer-\d+|Downloads\/writer-\d+\.mp4)/),
    ]);
    const text = await stack.run([VIDEO, '--yes']);
    expect(text.stdout).toContain('came back during the wipe');
  });

  test('is watched as long as --verify-for says', async () => {
    const stack = await liveStack();
    startWriter(stack);
    await started(stack);
    const { code, service, durationMs } = await wipeVideo(stack, ['--verify-for', '3s']);
    expect(code).toBe(1);
    expect(durationMs).toBeGreaterThan(3_000);
    expect(durationMs).toBeLessThan(20_000);
    expect(service.came_back['jobs']).toBeGreaterThan(20);
  });
});

describe.skipIf(!requireOrSkip('redis', 'celery'))('a writer that stops', () => {
  test('is reported, and all is gone', async () => {
    const stack = await liveStack();
    fillQuickly(stack, [VIDEO]);
    const writer = startWriter(stack);
    await started(stack);
    const downloads = directoryOf(stack.folder, VIDEO, 'downloads');
    const running = wipeVideo(stack, ['--verify-for', '4s']);
    await until('the first pass', () => !existsSync(join(downloads, 'writer-1.mp4')));
    await until('a file that came back', () => readdirSync(downloads).length > 0);
    await sleep(300);
    stopWriter(writer);
    const { code, service } = await running;
    expect(code).toBe(0);
    expect(service).toMatchObject({ verified: true, remaining: { jobs: 0, files: 0 } });
    expect(service.warnings).toEqual([
      expect.stringContaining('came back during the wipe') as string,
    ]);
    expect(service.jobs_removed).toBe(3 + (service.came_back['jobs'] ?? 0) + own(service));
    expect(entryList(directoryOf(stack.folder, VIDEO, 'downloads'))).toEqual([]);
    expect(stack.redis.cli('-n', '1', '--scan', '--pattern', 'video_job:*')).toBe('');
  });

  /** What the writer had saved before the wipe began was removed by its first pass. */
  function own(service: {
    jobs_removed: number;
    came_back: Readonly<Record<string, number>>;
  }): number {
    return service.jobs_removed - 3 - (service.came_back['jobs'] ?? 0);
  }

  test('a directory counts once in the report however many passes it took', async () => {
    const stack = await liveStack();
    mkdirSync(join(directoryOf(stack.folder, VIDEO, 'downloads'), 'sub'));
    startWriter(stack, 6);
    await started(stack);
    const { stdout, code } = await wipeVideo(stack, ['--verify-for', '2s']);
    expect(code).toBe(0);
    const { services } = JSON.parse(stdout) as {
      services: Record<string, { directories: { name: string }[]; files_deleted: number }>;
    };
    expect(services[VIDEO]?.directories.map(({ name }) => name)).toEqual([
      'Cache',
      'Downloads',
      'Temp',
    ]);
    expect(services[VIDEO]?.files_deleted).toBe(6);
  });
});
