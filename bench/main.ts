/**
 * `npm run bench`: all benches; `npm run bench -- small-wipe`: these; `npm run bench -- smoke`: each
 * once on little data. Other words choose the contests that have all of them in their titles, as in
 * `npm run bench -- files disk 200x1000`; `--rounds 3` is instead of the bench's own number. Fails
 * when something is not gone or crashes, never for a time.
 */
import { createFolder } from '../test/support/folder.ts';
import type { Bench } from './bench.ts';
import { detach } from './detach.ts';
import { files } from './files.ts';
import { foreignKeys } from './foreign-keys.ts';
import { contestLines, measure } from './measure.ts';
import { redis } from './redis.ts';
import { smallWipe } from './small-wipe.ts';
import { startup } from './startup.ts';

const BENCHES: readonly Bench[] = [startup, smallWipe, detach, redis, foreignKeys, files];

// So that the folder is removed on the way out.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

const words = process.argv.slice(2).map((word) => word.toLowerCase());
const option = words.indexOf('--rounds');
const [, rounds = ''] = option < 0 ? [] : words.splice(option, 2);
const smoke = words.includes('smoke');
const names = words.filter((word) => BENCHES.some(({ name }) => name === word));
const titleWords = words.filter((word) => word !== 'smoke' && !names.includes(word));
if (option >= 0 && !/^[1-9]\d*$/.test(rounds)) {
  refuse('--rounds needs a whole number, at least 1.');
} else {
  await runBenches();
}

async function runBenches(): Promise<void> {
  const titles: string[] = [];
  for (const bench of BENCHES) {
    if (names.length === 0 || names.includes(bench.name)) titles.push(...(await runBench(bench)));
  }
  if (titles.some(isChosen)) return;
  const known = BENCHES.map(({ name }) => name).join(', ');
  refuse(
    `No such bench, and no contest with: ${titleWords.join(' ')}. ` +
      `There are the benches ${known}; or smoke; and the contests\n  ${titles.join('\n  ')}`,
  );
}

/** @returns the titles of all its contests, chosen or not. */
async function runBench(bench: Bench): Promise<readonly string[]> {
  const scale = { rounds: Number(rounds) || (smoke ? 1 : bench.rounds), small: smoke };
  const folder = createFolder();
  const removeFolder = (): void => folder.remove();
  process.once('exit', removeFolder);
  try {
    const { contests, close } = await bench.open(folder.path, scale);
    try {
      for (const contest of contests.filter(({ title }) => isChosen(title))) {
        const measured = await measure(contest, scale.rounds);
        console.log(`${contestLines(contest, measured, !smoke).join('\n')}\n`);
      }
    } finally {
      await close();
    }
    return contests.map(({ title }) => title);
  } finally {
    process.off('exit', removeFolder);
    folder.remove();
  }
}

/** By whole words, so that `disk` does not choose the 200x1000 of `discard`. */
function isChosen(title: string): boolean {
  const inTitle = new Set(title.toLowerCase().split(/[\s:,()]+/));
  return titleWords.every((word) => inTitle.has(word));
}

function refuse(message: string): void {
  console.error(message);
  process.exitCode = 2;
}
