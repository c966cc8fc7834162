import { readdirSync, readFileSync } from 'node:fs';
import type { Running } from '../test/support/confine.ts';

const INTERVAL = 10;

/**
 * The most that a command and all its descendants had in memory at once, in bytes, until it ends.
 * Pages that they share count for each of them (proc(5), VmRSS).
 * @param counted `descendants`: without the command itself, where that only takes the time.
 */
export async function peakMemory(
  running: Running,
  counted: 'all' | 'descendants' = 'all',
): Promise<number> {
  const look = residentBytes(running.pid, counted === 'all');
  let peak = 0;
  const timer = setInterval(() => {
    peak = Math.max(peak, look());
  }, INTERVAL);
  try {
    await running.result;
  } finally {
    clearInterval(timer);
  }
  return peak;
}

/** Asks each process of the machine for its parent only once: else the looks slow the command down. */
function residentBytes(top: number, withTop: boolean): () => number {
  let parents: ReadonlyMap<number, number> = new Map();
  const belongs = (pid: number): boolean => {
    if (pid === top) return true;
    const parent = parents.get(pid) ?? 0;
    return parent !== 0 && belongs(parent);
  };
  return () => {
    const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
    parents = new Map(
      pids.map(Number).map((pid) => [pid, parents.get(pid) ?? statusField(pid, 'PPid')]),
    );
    return [...parents.keys()]
      .filter((pid) => belongs(pid) && (withTop || pid !== top))
      .reduce((sum, pid) => sum + statusField(pid, 'VmRSS') * 1024, 0);
  };
}

/** 0 when it has none. */
function statusField(pid: number, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readStatus(pid))?.[1] ?? 0);
}

function readStatus(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    // It ended in this very moment.
    return '';
  }
}
