import { RedisError } from './errors.ts';

/**
 * More than a cluster has slots: a server or proxy that scans slot by slot, or node by node, begins
 * anew with each.
 */
const MOST_STEPS_BACK = 20_000;

/**
 * Tells of a scan that would never end, in constant memory. A cursor that comes again does so for
 * ever: found by Brent's cycle detection (https://en.wikipedia.org/wiki/Cycle_detection), which keeps
 * one cursor. Redis counts its cursors up, bits reversed (dict.c `dictScan`), others plainly up:
 * cursors without any order are found by the number of steps back.
 * @returns takes each next cursor. @throws RedisError EREPLY from it.
 */
export function createCursorCheck(command: string): (next: Buffer) => void {
  let known = '';
  let steps = 0;
  let stepsUntilNext = 1;
  let last = { plain: '', reversed: '' };
  let stepsBack = 0;
  return (next) => {
    const cursor = next.toString('latin1');
    if (cursor === known) throw endless(command, `came back to the cursor ${cursor}`);
    steps += 1;
    if (steps === stepsUntilNext) {
      known = cursor;
      steps = 0;
      stepsUntilNext *= 2;
    }
    const plain = BigInt(cursor).toString(2).padStart(64, '0');
    const reversed = plain.split('').toReversed().join('');
    if (plain < last.plain && reversed < last.reversed) stepsBack += 1;
    last = { plain, reversed };
    if (stepsBack > MOST_STEPS_BACK) throw endless(command, 'gives cursors without any order');
  };
}

function endless(command: string, reason: string): RedisError {
  return new RedisError(
    'EREPLY',
    `${command} ${reason}: it would never end`,
    'look at what listens there: a proxy, or a server that is not quite Redis',
    { command },
  );
}
