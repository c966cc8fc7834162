import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { errorCode, errorMessage } from '../errors.ts';
import { systemReason } from '../report/system-reason.ts';
import { isTrapAt, openPlace } from './safe-place.ts';

/** The file of `--log-file`. A log that cannot be written never stops a wipe. */

export interface LogFile {
  /** Appends the line and a line end in one write(2), so that parallel runs do not mix theirs. */
  write(line: string): void;
  close(): void;
  /** The first trouble, for one warning, and how many lines it cost so far; undefined: none. */
  problem(): string | undefined;
}

const NEWLINE = 0x0a;

/**
 * Opens for appending, created with mode 0600; an existing file keeps its mode. Never throws and
 * never waits: a pipe without reader is a problem (ENXIO). After a failed write it goes on trying,
 * because a full disk may be what the wipe is there to mend.
 */
export function openLogFile(file: string): LogFile {
  let descriptor: number | undefined;
  let trouble: string | undefined;
  let lost = 0;
  /** A full disk took a part of the line before: the next begins on a line of its own. */
  let isMidLine = false;

  const remember = (error: unknown): void => {
    const code = errorCode(error);
    trouble ??= code === undefined ? errorMessage(error) : `${systemReason(code)} (${code})`;
  };
  try {
    descriptor = openForAppending(file);
  } catch (error) {
    remember(error);
  }

  return {
    write: (line) => {
      if (descriptor === undefined) {
        lost += 1;
        return;
      }
      const bytes = Buffer.from(`${isMidLine ? '\n' : ''}${line}\n`);
      let at = 0;
      try {
        // Once, but for a disk that fills up in the middle: only the second says why.
        while (at < bytes.length) at += writeSync(descriptor, bytes, at);
        isMidLine = false;
      } catch (error) {
        remember(error);
        lost += 1;
        if (at > 0) isMidLine = bytes[at - 1] !== NEWLINE;
      }
    },
    close: () => {
      if (descriptor === undefined) return;
      const open = descriptor;
      descriptor = undefined;
      try {
        closeSync(open);
      } catch (error) {
        remember(error);
      }
    },
    problem: () => {
      if (trouble === undefined) return undefined;
      const lines = lost === 0 ? '' : `, ${lost} ${lost === 1 ? 'line is' : 'lines are'} lost`;
      return `${file}: ${trouble}${lines}`;
    },
  };
}

/** @throws the system error; `EFOREIGN` for what a stranger may have put there. */
function openForAppending(file: string): number {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK, O_NOCTTY, O_NOFOLLOW } = constants;
  const flags = O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY;
  const place = openPlace(resolve(file));
  try {
    // A link of the kernel's to what is open in this process already.
    if (place.ownDescriptor !== undefined) return openSync(place.path, flags);
    const descriptor = openSync(place.path, flags | O_CREAT | O_NOFOLLOW, 0o600);
    if (!isTrapAt(place, fstatSync(descriptor))) return descriptor;
    closeSync(descriptor);
    throw Object.assign(new Error('Another user has put it there'), { code: 'EFOREIGN' });
  } finally {
    place.close();
  }
}
