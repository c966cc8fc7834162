import type { LogEntry } from './observer.ts';
import { harmless } from './printable.ts';

/** `2025-10-27 14:30:15 - INFO - 🗑️  Redis: 15 jobs removed`: one line, local time, no line end. */
export function logLine(entry: Pick<LogEntry, 'level' | 'message'>, time: Date): string {
  return `${localTime(time)} - ${entry.level} - ${harmless(entry.message)}`;
}

/** `2025-10-27 14:30:15` */
export function localTime(time: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const date = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${date} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}
