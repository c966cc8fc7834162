/**
 * Somebody swaps directories of the tree that root wipes for links to a tree outside, as fast as the
 * machine can, while it is wiped. What the links lead to must stay, always: this is what path by path
 * removers get wrong (CVE-2022-21658 and its kind), and the same attack is shown to hurt them.
 */
import { createRequire } from 'node:module';
import { lstatSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { WAYS, battlefield, underAttack, type Battlefield, type Way } from './support/attacker.ts';
import { wipeJson, writeConfig } from './support/config-file.ts';
import { confine } from './support/confine.ts';
import { requireOrSkip } from './support/requirements.ts';
import { runTool, toolEnvironment } from './support/tool.ts';
import { entryList, treeHash } from './support/witness.ts';

/** Of attack in all, over the variants; 200 runs end it too. */
const SECONDS = Number(process.env['ATTACK_SECONDS'] ?? 60);
const RUNS = 200;

interface Variant {
  readonly name: string;
  /** Of the attack. */
  readonly share: number;
  readonly arguments?: readonly string[];
  readonly prepare?: string;
}

const NORMAL: Variant = { name: 'as it is', share: 0.4 };
const NO_PROC: Variant = {
  name: 'without /proc',
  share: 0.3,
  prepare: 'mount -t tmpfs -o ro none /proc',
};
const FOUR: Variant = { name: 'four at a time', share: 0.3, arguments: ['--concurrency', '4'] };

describe.skipIf(!requireOrSkip('root', 'mount'))('under attack', () => {
  test.for([NORMAL, NO_PROC, FOUR])(
    'the tool $name changes nothing outside',
    { timeout: SECONDS * 4000 + 60_000 },
    async ({ name, share, prepare, arguments: more = [] }, { skip }) => {
      const field = battlefield();
      const { folder } = field;
      const help = await runTool(['--help'], { folder });
      if (!help.stdout.includes(more[0] ?? '')) skip(`there is no ${more[0]}`);
      const config = writeConfig(folder, {
        media: { root: '../disk', directories: ['data'], models: ['models'] },
      });
      const options = prepare === undefined ? { folder } : { folder, prepare };
      const hash = treeHash(field.path('victim'));
      const damages: string[] = [];
      const sum = { runs: 0, swaps: 0, moves: 0, ms: 0 };
      while (sum.ms < SECONDS * share * 1000 && sum.runs < RUNS * share) {
        field.reset();
        const tops = topsOf(field);
        const way = WAYS[sum.runs % WAYS.length] as Way;
        const where = `run ${sum.runs}, ${way}`;
        const [result, attack] = await underAttack(
          field,
          way,
          sum.runs,
          async () => await wipeJson(config, { ...options, timeout: 60_000 }, ...more),
        );
        const damage = field.damage();
        if (damage > 0) {
          damages.push(`${where}: ${damage} entries`);
          field.heal();
        }
        expect(topsOf(field), where).toEqual(tops);
        expect([0, 1], `${where}: ${result.stderr}`).toContain(result.code);
        sum.runs += 1;
        sum.swaps += attack.swaps;
        sum.moves += attack.moves;
        sum.ms += result.durationMs;

        const again = await wipeJson(config, options, ...more);
        expect([again.code, again.report.verified], `${where}: ${again.stderr}`).toEqual([0, true]);
        expect(entryList(field.path('data')), where).toEqual([]);
        expect(entryList(field.path('models')), where).toEqual([]);
        expect(field.damage(), `the second run, without attacker, after ${where}`).toBe(0);
      }
      tell(
        `media-cleanup ${name}: victim damaged in ${damages.length} of ${sum.runs} runs, in ` +
          `${Math.round(sum.ms / 1000)} s with ${sum.swaps} swaps and ${sum.moves} moves`,
      );
      expect(damages).toEqual([]);
      expect(treeHash(field.path('victim'))).toBe(hash);
      // Else it was no attack.
      expect(sum.swaps).toBeGreaterThan(sum.runs * 100);
    },
  );

  test('the same attack makes a naive remover destroy what is outside', async () => {
    const naive = `
      const { lstatSync, readdirSync, rmdirSync, unlinkSync } = require('node:fs');
      function remove(path) {
        try {
          if (lstatSync(path).isDirectory()) {
            for (const name of readdirSync(path)) remove(path + '/' + name);
            rmdirSync(path);
          } else unlinkSync(path);
        } catch {}
      }
      remove('data');
      remove('models');`;
    const damaged = await damagedRuns(naive, 6);
    tell(`a naive remover: victim damaged in ${damaged} of 6 runs`);
    expect(damaged).toBeGreaterThan(0);
  }, 300_000);

  test('and others, which is only told', async () => {
    const rimraf = createRequire(import.meta.url).resolve('rimraf');
    const removers = {
      rimraf: `require(${JSON.stringify(rimraf)}).rimraf(['data', 'models']).catch(() => {});`,
      'fs.rm': `
        const { rm } = require('node:fs/promises');
        for (const path of ['data', 'models']) rm(path, { recursive: true, force: true }).catch(() => {});`,
    };
    for (const [name, code] of Object.entries(removers)) {
      tell(`${name}: victim damaged in ${await damagedRuns(code, 9)} of 9 runs`);
    }
  }, 180_000);
});

/** In how many runs the code, which is to empty the tree, changed the victim. */
async function damagedRuns(code: string, runs: number): Promise<number> {
  const field = battlefield();
  const { folder } = field;
  let damaged = 0;
  for (let run = 0; run < runs; run += 1) {
    field.reset();
    await underAttack(
      field,
      WAYS[run % WAYS.length] as Way,
      run,
      async () =>
        await confine([process.execPath, '-e', code], {
          folder,
          cwd: field.path(),
          env: toolEnvironment(folder),
        }),
    );
    if (field.damage() > 0) {
      damaged += 1;
      field.heal();
    }
  }
  return damaged;
}

function topsOf(field: Battlefield): readonly string[] {
  return ['data', 'models'].map((name) => {
    const { ino, mode, uid, gid } = lstatSync(field.path(name));
    return `${name} ${ino} ${mode.toString(8)} ${uid}:${gid}`;
  });
}

function tell(line: string): void {
  // oxlint-disable-next-line no-console -- these figures are what the test is read for
  console.info(`attack: ${line}`);
}
