/**
 * `npm run bench`: all benches; `npm run bench -- small-wipe`: these; `npm run bench -- smoke`: each
 * once on little data. Fails when something is not gone or crashes, never for a time.
 */
import { createFolder } from '../test/support/folder.ts';
import type { Bench } from './bench.ts';
import { contestLines, measure } from './measure.ts';
import { smallWipe } from './small-wipe.ts';
import { startup } from './startup.ts';

const BENCHES: readonly Bench[] = [startup, smallWipe];

// So that the folder is removed on the way out.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

const words = process.argv.slice(2);
const smoke = words.includes('smoke');
const names = words.filter((word) => word !== 'smoke');
const unknown = names.filter((word) => !BENCHES.some(({ name }) => name === word));
if (unknown.length > 0) {
  const known = BENCHES.map(({ name }) => name).join(', ');
  console.error(`No such bench: ${unknown.join(', ')}. There are: ${known}; or smoke.`);
  process.exitCode = 2;
} else {
  const chosen = BENCHES.filter(({ name }) => names.length === 0 || names.includes(name));
  for (const bench of chosen) await runBench(bench);
}

async function runBench(bench: Bench): Promise<void> {
  const scale = { rounds: smoke ? 2 : bench.rounds, small: smoke };
  const folder = createFolder();
  const removeFolder = (): void => folder.remove();
  process.once('exit', removeFolder);
  try {
    const { contests, close } = await bench.open(folder.path, scale);
    try {
      for (const contest of contests) {
        const measured = await measure(contest, scale.rounds);
        console.log(`${contestLines(contest, measured, !smoke).join('\n')}\n`);
      }
    } finally {
      await close();
    }
  } finally {
    process.off('exit', removeFolder);
    folder.remove();
  }
}
