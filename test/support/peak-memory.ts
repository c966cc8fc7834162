/** The most memory that a process had at once: proc(5), VmHWM. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Result, Running } from './confine.ts';

const INTERVAL_MS = 10;

/** @returns with it what the process printed; the last few milliseconds of it are not seen. */
export async function peakMemory(running: Running): Promise<Result & { readonly peak: number }> {
  let peak = 0;
  let isOver = false;
  const result = running.result.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    peak = Math.max(peak, highWaterMark(running.pid));
    await sleep(INTERVAL_MS);
  }
  return { ...(await result), peak };
}

/** In bytes; 0 when the process has ended. */
function highWaterMark(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
