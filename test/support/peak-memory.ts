/** The most memory that a process had at once: proc(5), VmHWM. */
import { readFileSync } from 'node:fs';
import type { Result, Running } from './confine.ts';

const INTERVAL_MS = 10;

/** @returns with it what the process printed; the last few milliseconds of it are not seen. */
export async function peakMemory(running: Running): Promise<Result & { readonly peak: number }> {
  let peak = 0;
  const timer = setInterval(() => {
    peak = Math.max(peak, highWaterMark(running.pid));
  }, INTERVAL_MS);
  try {
    const result = await running.result;
    return { ...result, peak };
  } finally {
    clearInterval(timer);
  }
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
