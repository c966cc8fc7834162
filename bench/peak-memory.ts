import { readdirSync, readFileSync } from 'node:fs';
import type { Running } from '../test/support/confine.ts';

const INTERVAL = 10;

interface Process {
  readonly parent: number;
  readonly residentBytes: number;
}

/**
 * The most that a command and all its descendants had in memory at once, in bytes, until it ends.
 * Pages that they share count for each of them (proc(5), VmRSS).
 */
export async function peakMemory(running: Running): Promise<number> {
  let peak = 0;
  const timer = setInterval(() => {
    peak = Math.max(peak, residentBytes(running.pid));
  }, INTERVAL);
  try {
    await running.result;
  } finally {
    clearInterval(timer);
  }
  return peak;
}

function residentBytes(top: number): number {
  const processes = allProcesses();
  const belongs = (pid: number): boolean => {
    if (pid === top) return true;
    const parent = processes.get(pid)?.parent ?? 0;
    return parent !== 0 && belongs(parent);
  };
  return [...processes]
    .filter(([pid]) => belongs(pid))
    .reduce((sum, [, process]) => sum + process.residentBytes, 0);
}

function allProcesses(): ReadonlyMap<number, Process> {
  const processes = new Map<number, Process>();
  for (const name of readdirSync('/proc')) {
    const status = /^\d+$/.test(name) ? readStatus(name) : undefined;
    if (status === undefined) continue;
    const field = (key: string): number =>
      Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
    processes.set(Number(name), { parent: field('PPid'), residentBytes: field('VmRSS') * 1024 });
  }
  return processes;
}

function readStatus(pid: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    // It ended in this very moment.
    return undefined;
  }
}
