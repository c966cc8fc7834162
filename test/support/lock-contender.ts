/**
 * Takes a lock of a host again and again until its time is over, and says when it is not alone. Run
 * as a process of its own; bundled, since it is killed and started all the time.
 * Arguments: lock file, folder, milliseconds; with `--die-at <n>`: once, killed before the nth change.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { newToken, releaseLock, rewriteLock, takeLock } from '../../src/runs/lock-file.ts';
import type { Holder } from '../../src/runs/lock-file.ts';
import { identify, stillRuns } from '../../src/runs/process-identity.ts';

const [file = '', folder = '', milliseconds = '0', , dieAt] = process.argv.slice(2);
const witness = join(folder, 'witness');
const log = join(folder, 'log');

function holder(): Holder {
  return {
    ...identify(process.pid),
    token: newToken(),
    since: Date.now(),
    user: 'root',
    service: 'media',
    cleanupId: undefined,
  };
}

function say(word: string): void {
  // One write of one line: appended whole.
  fs.appendFileSync(log, `${word} ${process.pid}\n`);
}

function rest(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** The file that only one may have, and how it is known that another one has it and lives. */
function enter(): void {
  const own = join(folder, `entering-${process.pid}`);
  fs.writeFileSync(own, JSON.stringify(identify(process.pid)));
  for (;;) {
    try {
      fs.linkSync(own, witness);
      break;
    } catch {
      const other = JSON.parse(fs.readFileSync(witness, 'utf8')) as Holder;
      if (stillRuns(other) !== false) {
        say(`NOT ALONE (${other.pid})`);
        process.exit(1);
      }
      fs.unlinkSync(witness);
    }
  }
  fs.unlinkSync(own);
}

function once(): void {
  const attempt = takeLock(file, holder());
  if (attempt.is === 'locked') {
    rest(Math.random() * 2);
    return;
  }
  enter();
  say('held');
  if (Math.random() < 0.3) rewriteLock(attempt.lock, { cleanupId: 'cleanup_total' });
  if (Math.random() < 0.5) rest(Math.random() * 3);
  if (Math.random() < 0.05) process.kill(process.pid, 'SIGKILL');
  fs.unlinkSync(witness);
  releaseLock(attempt.lock);
}

/** Every change of the file system from here on; before the nth the process is killed. */
function countChanges(last: number): void {
  let changes = 0;
  for (const name of ['writeFileSync', 'linkSync', 'renameSync', 'unlinkSync'] as const) {
    const real = fs[name] as (...args: unknown[]) => unknown;
    Object.assign(fs, {
      [name]: (...args: unknown[]) => {
        changes += 1;
        if (changes === last) process.kill(process.pid, 'SIGKILL');
        return real(...args);
      },
    });
  }
  syncBuiltinESMExports();
}

if (dieAt === undefined) {
  for (const end = Date.now() + Number(milliseconds); Date.now() < end;) once();
} else {
  countChanges(Number(dieAt));
  const attempt = takeLock(file, holder());
  if (attempt.is === 'locked') process.exit(75);
  rewriteLock(attempt.lock, { cleanupId: 'cleanup_total' });
  releaseLock(attempt.lock);
}
