/**
 * SIGKILL in the middle of a wipe: what went is gone, what is there is whole, nobody goes on, and the
 * next run does the rest and counts only that.
 */
import { execFileSync } from 'node:child_process';
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { wipeJson, writeConfig } from './support/config-file.ts';
import { SEED, dice } from './support/dice.ts';
import { mountAt, testFolder } from './support/folder.ts';
import { requireOrSkip } from './support/requirements.ts';
import { mutantTool, startTool } from './support/tool.ts';
import { allocatedBytes, countFiles, entryList, treeHash } from './support/witness.ts';

interface Scene {
  readonly folder: string;
  readonly config: string;
  readonly tool: string;
  path(...names: readonly string[]): string;
  /** `media/data` and `media/models` anew. */
  reset(): void;
}

/** That many files in 40 directories, and 10 model directories with that many each. */
function scene(files: number, filesOfModel: number): Scene {
  const folder = testFolder();
  // In memory, where thousands of files are quickly there again.
  mountAt(join(folder, 'disk'), ['-t', 'tmpfs', 'none']);
  const path = (...names: readonly string[]): string => join(folder, 'disk', ...names);
  const script = `
    mkdir -p template/{data,models} outside/deep media/beside
    mkdir -p template/data/d{0..7}/{a..e} template/models/model-{0..9}/{weights,config}
    for directory in template/data/*/*; do
      (cd $directory; seq ${files / 40} | xargs touch; echo x >1)
    done
    for directory in template/models/*/*; do
      for file in {1..${filesOfModel / 2}}; do echo $directory/$file >$directory/$file; done
    done
    for name in outside/{one,deep/two} media/beside/three; do echo $name >$name; done
    ln -s ../../outside template/data/link
    ln outside/one template/data/hard`;
  execFileSync('bash', ['-euc', script], { cwd: path() });
  return {
    folder,
    path,
    config: writeConfig(folder, {
      media: { root: '../disk/media', directories: ['data'], models: ['models'] },
    }),
    // Its own copy, so that its processes can be told from those of other tests.
    tool: mutantTool(join(folder, 'tool'), []),
    reset: () => {
      execFileSync('rm', ['-rf', 'media/data', 'media/models'], { cwd: path() });
      execFileSync('cp', ['-a', 'template/data', 'template/models', 'media/'], { cwd: path() });
      execFileSync('ln', ['-f', 'outside/one', 'media/data/hard'], { cwd: path() });
    },
  };
}

/** Starts a wipe; resolves when the first change was seen, with how long ago the start was. */
async function startWipe(scene: Scene) {
  const directories = ['data', 'models'].flatMap((top) => [
    scene.path('media', top),
    ...entryList(scene.path('media', top)).map((name) => scene.path('media', top, name)),
  ]);
  const watched = directories.filter((path) => lstatSync(path).isDirectory());
  const state = (): string =>
    watched.map((path) => lstatSync(path, { throwIfNoEntry: false })?.mtimeMs).join();
  const before = state();
  const { folder, config, tool } = scene;
  const run = startTool(['all', '--yes', '--json', '--config', config], {
    folder,
    tool,
    cwd: join(folder, 'cwd'),
  });
  for (const end = Date.now() + 20_000; state() === before;) {
    if (Date.now() > end) throw new Error(`it does not begin: ${run.stderr()}`);
    await sleep(1);
  }
  return run;
}

/** From the first change to the last, in milliseconds. */
async function wipeDuration(scene: Scene): Promise<number> {
  scene.reset();
  const run = await startWipe(scene);
  const started = performance.now();
  while (remaining(scene) > 0) await sleep(1);
  const duration = performance.now() - started;
  await run.result;
  return duration;
}

/** Entries of the two tops: cheap to ask for all the time. */
function remaining(scene: Scene): number {
  return ['data', 'models'].reduce(
    (sum, top) => sum + readdirSync(scene.path('media', top)).length,
    0,
  );
}

/** Kills it after that many milliseconds; resolves when none of its processes is there any more. */
async function killAfter(
  scene: Scene,
  milliseconds: number,
  whom: 'the process' | 'its whole group',
): Promise<void> {
  scene.reset();
  const run = await startWipe(scene);
  await sleep(milliseconds);
  try {
    process.kill(whom === 'the process' ? run.pid : -run.pid, 'SIGKILL');
  } catch {
    // It was faster this time.
  }
  // Who waits for a disk (the journal, to note that its program was read) dies only after that; one
  // that is just being started has no command line for a moment.
  const end = Date.now() + 20_000;
  for (let quiet = 0; quiet < 10 && Date.now() < end; quiet += 1) {
    if (processesOf(scene).length > 0) quiet = 0;
    await sleep(20);
  }
  expect(processesOf(scene).map(describeProcess), 'processes 20 s after the kill').toEqual([]);
  await run.result;
}

/** Those with the folder of this tool in their command line or environment. */
function processesOf({ folder }: Scene): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) =>
      ['cmdline', 'environ'].some((file) => {
        try {
          return readFileSync(`/proc/${pid}/${file}`, 'latin1').includes(folder);
        } catch {
          return false;
        }
      }),
    );
}

function describeProcess(pid: string): string {
  return ['stat', 'wchan', 'cmdline']
    .map((file) => {
      try {
        return readFileSync(`/proc/${pid}/${file}`, 'latin1').replaceAll('\0', ' ');
      } catch {
        return `no ${file}`;
      }
    })
    .join(' | ');
}

/** What `du` would say went if all went, the tops not: directories count, a shared file does not. */
function bytesToFree(scene: Scene): number {
  const directories = ['data', 'models'].map((top) =>
    execFileSync('find', ['.', '-mindepth', '1', '-type', 'd', '-printf', '%b\n'], {
      cwd: scene.path('media', top),
    }),
  );
  const blocks = directories.join('').split('\n');
  const shared = readdirSync(scene.path('media/data')).includes('hard')
    ? lstatSync(scene.path('media/data/hard')).blocks * 512
    : 0;
  return (
    allocatedBytes(scene.path('media')) -
    allocatedBytes(scene.path('media/beside')) -
    shared +
    blocks.reduce((sum, count) => sum + Number(count) * 512, 0)
  );
}

describe.skipIf(!requireOrSkip('root', 'mount'))('a wipe that is killed', () => {
  test.each(['the process', 'its whole group'] as const)(
    'with %s, 15 times: the next run removes and counts the rest',
    async (whom) => {
      const at = scene(6000, 60);
      const random = dice(SEED + whom.length);
      const [outside, beside] = [at.path('outside'), at.path('media/beside')];
      const hashes = [outside, beside].map((path) => treeHash(path));
      const duration = Math.min(await wipeDuration(at), await wipeDuration(at));
      at.reset();
      const all = countFiles(at.path('media')) - 1;
      let inTheMiddle = 0;
      for (let kill = 0; kill < 15; kill += 1) {
        const moment = ((kill + random()) / 15) * duration;
        const where = `seed ${SEED}: killed ${moment.toFixed(1)} ms of ${duration.toFixed(1)} in`;
        await killAfter(at, moment, whom);
        const left = countFiles(at.path('media')) - 1;
        if (left > 0 && left < all) inTheMiddle += 1;
        const bytes = bytesToFree(at);
        const { code, report, stderr } = await wipeJson(at.config, at);
        expect([code, report.verified], `${where}: ${stderr}`).toEqual([0, true]);
        const { files_deleted, models_deleted, bytes_freed } = report.services[
          'media'
        ] as unknown as Record<string, number>;
        expect((files_deleted ?? 0) + (models_deleted ?? 0), where).toBe(left);
        expect(bytes_freed, where).toBe(bytes);
        expect(entryList(at.path('media/data')), where).toEqual([]);
        expect(entryList(at.path('media/models')), where).toEqual([]);
        expect(
          [outside, beside].map((path) => treeHash(path)),
          where,
        ).toEqual(hashes);
      }
      expect(inTheMiddle).toBeGreaterThanOrEqual(5);
    },
    300_000,
  );

  test('leaves no model half there: what still has its own name is whole', async () => {
    const at = scene(40, 400);
    const random = dice(SEED);
    const names = readdirSync(at.path('template/models'));
    const whole = new Map(names.map((name) => [name, treeHash(at.path('template/models', name))]));
    const duration = Math.min(await wipeDuration(at), await wipeDuration(at));
    let inTheMiddle = 0;
    for (let kill = 0; kill < 15; kill += 1) {
      const moment = ((kill + random()) / 15) * duration;
      await killAfter(at, moment, kill % 2 === 0 ? 'the process' : 'its whole group');
      const left = countFiles(at.path('media/models'));
      if (left > 0 && left < countFiles(at.path('template/models'))) inTheMiddle += 1;
      for (const name of readdirSync(at.path('media/models'))) {
        const expected = whole.get(name);
        if (expected === undefined) {
          expect(name, 'what is half gone is called').toMatch(/^\.media-cleanup-/);
        } else {
          const where = `seed ${SEED}: ${name}, killed ${moment.toFixed(1)} ms of ${duration.toFixed(1)} in`;
          expect(treeHash(at.path('media/models', name)), where).toBe(expected);
        }
      }
    }
    expect(inTheMiddle).toBeGreaterThanOrEqual(3);
  }, 300_000);
});
