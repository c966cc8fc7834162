import { fstatSync } from 'node:fs';
import type { Environment } from '../config/find.ts';
import { journalLine, logJson, logLine } from '../report/log-line.ts';
import type { LogEntry } from '../report/observer.ts';
import { harmless } from '../report/printable.ts';

/** How a log line is written on stderr, without its end. */
export type LineFormat = (entry: LogEntry, time: Date) => string;

/** @param isJournal then the journal keeps the time itself, and reads the level as its priority. */
export function lineFormat(format: 'text' | 'json' | undefined, isJournal: boolean): LineFormat {
  const text: LineFormat = format === 'json' ? logJson : isJournal ? messageOf : logLine;
  return isJournal ? (entry, time) => journalLine(entry.level, text(entry, time)) : text;
}

function messageOf({ message }: LogEntry): string {
  return harmless(message);
}

/**
 * Whether a descriptor leads to systemd's journal: `$JOURNAL_STREAM` names its device and inode
 * (systemd.exec(5)), and is inherited by programs whose output goes elsewhere.
 */
export function leadsToJournal(descriptor: number, env: Environment): boolean {
  const stream = env['JOURNAL_STREAM'];
  if (stream === undefined || stream === '') return false;
  try {
    const { dev, ino } = fstatSync(descriptor, { bigint: true });
    return stream === `${dev}:${ino}`;
  } catch {
    return false;
  }
}
