/** A tree to be wiped, a victim beside it with the same names, and somebody who swaps the two. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { findPython } from '../setup/needs.ts';
import { startConfined } from './confine.ts';
import { mountAt, testFolder } from './folder.ts';

/**
 * How the attacker chooses what to swap next: any directory, the upper ones, or the one that the
 * kernel says (inotify) is being read or emptied at this moment.
 */
export const WAYS = ['random', 'top', 'stalk'] as const;
export type Way = (typeof WAYS)[number];

export interface Battlefield {
  readonly folder: string;
  path(...names: readonly string[]): string;
  /** `data` and `models` anew: about 2 000 directories with 5 000 files. */
  reset(): void;
  /** The victim as it was, after somebody damaged it. */
  heal(): void;
  /** How many entries of the victim were removed, replaced, written, renamed, or came. */
  damage(): number;
}

export interface Attack {
  readonly swaps: number;
  readonly moves: number;
}

const SCRIPT = fileURLToPath(new URL('attacker.py', import.meta.url));

const TREE = `
import os
def fill(path, depth, fan_outs):
    os.makedirs(path)
    for index in range(40 if depth == 1 else 2):
        with open(f"{path}/file-{index}", "w") as file: file.write(path)
    if depth < len(fan_outs):
        for index in range(fan_outs[depth]): fill(f"{path}/d{index}", depth + 1, fan_outs)
fill("template/data", 0, (8, 6, 5, 7))
fill("template/models", 0, (8, 3))
`;

/** On a tmpfs, where a swap costs least and a fresh tree too. */
export function battlefield(): Battlefield {
  const folder = testFolder();
  const disk = join(folder, 'disk');
  mountAt(disk, ['-t', 'tmpfs', 'none']);
  const path = (...names: readonly string[]): string => join(disk, ...names);
  execFileSync(findPython().path, ['-c', TREE], { cwd: disk });
  const copyTo = (...names: readonly string[]): void => {
    execFileSync('cp', ['-a', '-T', '--reflink=never', path('template'), path(...names)]);
  };
  const remove = (...names: readonly string[]): void => {
    execFileSync('rm', ['-rf', '--', ...names.map((name) => path(name))]);
  };
  copyTo('victim');
  // The change time of an inode is set by every change of it, and cannot be set at will.
  const entries = (): readonly string[] =>
    execFileSync('find', ['.', '-printf', '%P %i %n %s %C@ %T@ %m\\n'], {
      cwd: path('victim'),
      maxBuffer: 2 ** 30,
    })
      .toString()
      .split('\n');
  let whole = new Set(entries());
  return {
    folder,
    path,
    reset: () => {
      remove('data', 'models', 'aside');
      copyTo();
    },
    heal: () => {
      remove('victim');
      copyTo('victim');
      whole = new Set(entries());
    },
    damage: () => {
      const now = entries();
      const kept = now.filter((entry) => whole.has(entry)).length;
      return whole.size - kept + (now.length - kept);
    },
  };
}

/** Attacks for as long as `work` takes. */
export async function underAttack<T>(
  field: Battlefield,
  way: Way,
  seed: number,
  work: () => Promise<T>,
): Promise<readonly [T, Attack]> {
  const attacker = startConfined([findPython().path, SCRIPT, way, String(seed)], {
    folder: field.folder,
    cwd: field.path(),
    timeout: 120_000,
  });
  for (let waited = 0; !attacker.stdout().includes('ready'); waited += 5) {
    if (waited > 20_000) throw new Error(`the attacker does not start: ${attacker.stderr()}`);
    await sleep(5);
  }
  try {
    const result = await work();
    attacker.kill('SIGTERM');
    const { stdout, stderr } = await attacker.result;
    const counts = /^(\d+) (\d+)$/m.exec(stdout);
    if (counts === null) throw new Error(`the attacker failed: ${stderr}`);
    return [result, { swaps: Number(counts[1]), moves: Number(counts[2]) }];
  } finally {
    attacker.kill('SIGKILL');
  }
}
