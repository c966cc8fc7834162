import type { LogEntry, LogLevel } from './observer.ts';
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

/**
 * One JSON object without line end: `time` (ISO 8601, UTC), `level`, `service` (null when of none),
 * `step`, `message`, then the figures. What commands a terminal is written `\u009b`: the same JSON.
 */
export function logJson(entry: LogEntry, time: Date): string {
  const fields = {
    time: time.toISOString(),
    level: entry.level,
    service: entry.service ?? null,
    step: entry.step,
    message: entry.message,
  };
  // The fields last, so that no figure takes their place; first, so that they keep their order.
  const text = JSON.stringify({ ...fields, ...entry.figures, ...fields });
  return text.replace(/[\x7f-\x9f\u2028\u2029]|(?![\u200c\u200d])\p{Cf}/gu, escapeUnits);
}

/** Beyond the BMP two escapes, as JSON wants it. */
function escapeUnits(character: string): string {
  return Array.from(
    { length: character.length },
    (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`,
  ).join('');
}

/** sd-daemon(3): syslog's debug, info, warning and err. */
const PRIORITY = { DEBUG: 7, INFO: 6, WARNING: 4, ERROR: 3 } as const;

/**
 * The text with the priority that journald reads before each of its lines; a line end at the end
 * stays. journald ends a line at NUL as well: what follows would bring a priority of its own.
 */
export function journalLine(level: LogLevel, text: string): string {
  const prefix = `<${PRIORITY[level]}>`;
  return prefix + text.replace(/[\n\0](?!$)/g, `$&${prefix}`);
}
