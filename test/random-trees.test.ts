/**
 * Random trees with everything that a directory can hold, wiped as root: what went, what stayed, how
 * much came free and what is told of it, as find and the kernel's inodes say. TEST_SEED and
 * TEST_TREES set others.
 */
import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { SEED } from './support/dice.ts';
import { BATCH, makeTrees, snapshot, type Entry, type Snapshot } from './support/random-trees.ts';
import { wipeJson } from './support/config-file.ts';
import { ownStack } from './support/own-config.ts';
import { requireOrSkip } from './support/requirements.ts';
import { entryList, treeHash } from './support/witness.ts';

const TREES = Number(process.env['TEST_TREES'] ?? 300);
const TREES_OF_TEST = 3 * BATCH;
const STARTS = Array.from({ length: TREES / TREES_OF_TEST }, (_, index) => index * TREES_OF_TEST);

interface Told {
  readonly files: number;
  readonly models: number;
  readonly bytes: number;
  readonly errors: readonly string[];
  readonly mounts: readonly string[];
  readonly verified: boolean;
}

describe.skipIf(!requireOrSkip('root', 'mount'))(`trees of seed ${SEED}`, () => {
  test.each(STARTS)(
    `the ${TREES_OF_TEST} from %i on`,
    async (start) => {
      for (let first = start; first < start + TREES_OF_TEST; first += BATCH) {
        await wipeBatch(first);
      }
    },
    300_000,
  );
});

test.skipIf(!requireOrSkip('root', 'mount'))(
  'files whose names differ from that of a mount point only in bytes that are not UTF-8 go',
  async () => {
    const stack = ownStack();
    stack.config({ directories: [{ path: 'data', mountsMayStay: true }] });
    stack.files('elsewhere/precious');
    const script = `mkdir data; touch data/$'\\xff' data/$'\\xfe' data/$'\\xef\\xbf\\xbd'`;
    execFileSync('bash', ['-c', script], { cwd: stack.folder });
    const prepare = `mount --bind elsewhere/precious data/$'\\xff'`;
    const { service } = await stack.wipe({ prepare });
    expect(entryList(stack.path('data'))).toEqual(['\\xff']);
    expect(service).toMatchObject({ files_deleted: 2, verified: true });
    expect(service['warnings']).toHaveLength(1);
  },
);

async function wipeBatch(first: number): Promise<void> {
  const batch = makeTrees(SEED, first, requireOrSkip('chattr'));
  const { folder, config, prepare } = batch;
  const options = { folder, prepare, timeout: 60_000 };
  const outside = treeHash(`${folder}/outside`);
  const before = snapshot(folder);
  const plan = await wipeJson(config, options, '--only', 'files,models', '--dry-run');
  expect(snapshot(folder), `seed ${SEED}, ${first}: a dry run changes nothing`).toEqual(before);
  const wipe = await wipeJson(config, options, '--only', 'files,models');
  const after = withOwnNames(before, snapshot(folder));
  const stuckAnywhere = batch.trees.map(({ name, stuck, mounts }) => {
    const where = `seed ${SEED}, tree ${name}`;
    const expected = expectation(before, name, new Set(stuck), new Set(mounts));
    const left = [...after.keys()].filter((path) => path.startsWith(`media/${name}/`));
    expect(left.toSorted(), `${where}: what is left`).toEqual(expected.left.toSorted());
    const told = toldOf(wipe.report.services[name]);
    const went = expected.countable.filter(({ path }) => !after.has(path));
    const numbers = {
      files: went.filter(({ isModel }) => !isModel).length,
      models: went.filter(({ isModel }) => isModel).length,
      bytes: freedBytes(before, after, name),
    };
    expect(told, where).toEqual({
      ...numbers,
      errors: expected.errors,
      mounts: expected.mounts,
      verified: expected.errors.length === 0,
    });
    const planned = toldOf(plan.report.services[name]);
    expect(planned.mounts, `${where}, planned`).toEqual(expected.mounts);
    expect(planned.files + planned.models, `${where}, planned`).toBe(expected.countable.length);
    if (expected.errors.length === 0) expect(planned, `${where}, planned`).toMatchObject(numbers);
    for (const top of ['a', 'b', 'models']) {
      const path = `media/${name}/${top}`;
      expect(after.get(path)?.identity, `${where}: ${top} itself`).toBe(before.get(path)?.identity);
    }
    return expected.errors.length > 0;
  });
  expect(wipe.code, `seed ${SEED}, ${first}: ${wipe.stderr}`).toBe(
    stuckAnywhere.includes(true) ? 1 : 0,
  );
  expect(treeHash(`${folder}/outside`), `seed ${SEED}, ${first}: outside`).toBe(outside);
  batch.remove();
}

/** A model of which something stays lies aside in its directory; here it goes by its own name. */
function withOwnNames(before: Snapshot, after: Snapshot): Snapshot {
  const own = new Map<string, string>();
  const named = new Map<string, Entry>();
  for (const entry of after.values()) {
    const model = /^media\/[^/]+\/models\/\.media-cleanup-aside\.[^/]*/.exec(entry.path)?.[0];
    if (model !== undefined && entry.path === model && !before.has(model)) {
      const folder = model.slice(0, model.lastIndexOf('/'));
      const known = [...before.values()].find(
        ({ inode, path }) => inode === entry.inode && path.lastIndexOf('/') === folder.length,
      );
      if (known?.path.startsWith(folder) === true) own.set(model, known.path);
    }
    const name = own.get(model ?? '');
    const path = name === undefined ? entry.path : name + entry.path.slice((model ?? '').length);
    named.set(path, { ...entry, path });
  }
  return named;
}

/** What Linux lets root remove: unlink(2), rmdir(2), ioctl_iflags(2), mount_namespaces(7). */
function expectation(
  before: Snapshot,
  name: string,
  stuck: ReadonlySet<string>,
  mounts: ReadonlySet<string>,
) {
  const start = `media/${name}/`;
  const entries = [...before.values()].filter(({ path }) => path.startsWith(start));
  const isTop = ({ path }: Entry): boolean => !path.slice(start.length).includes('/');
  const parentOf = ({ path }: Entry): string => path.slice(0, path.lastIndexOf('/'));
  const hidden = new Set<string>();
  const stays = new Set<string>();
  // Why a directory need not be told: something in it is.
  const holders = new Set<string>();
  // Parents come before what is in them.
  for (const entry of entries) {
    const parent = parentOf(entry);
    if (hidden.has(parent) || mounts.has(parent)) hidden.add(entry.path);
  }
  for (const entry of entries.toReversed()) {
    const { path, inode } = entry;
    const parent = parentOf(entry);
    const held =
      isTop(entry) ||
      hidden.has(path) ||
      mounts.has(path) ||
      holders.has(path) ||
      stuck.has(inode) ||
      stuck.has(before.get(parent)?.inode ?? '');
    if (!held) continue;
    stays.add(path);
    if (!isTop(entry)) holders.add(parent);
  }
  const visible = entries.filter((entry) => !isTop(entry) && !hidden.has(entry.path));
  const relative = ({ path }: Entry): string => path.slice(start.length);
  return {
    left: entries.filter(({ path }) => stays.has(path)).map(({ path }) => path),
    countable: visible
      .filter(({ path, type }) => type !== 'd' && !mounts.has(path))
      .map(({ path }) => ({ path, isModel: path.startsWith(`${start}models/`) })),
    mounts: visible
      .filter(({ path }) => mounts.has(path))
      .map(relative)
      .toSorted(),
    errors: visible
      .filter(({ path }) => stays.has(path) && !mounts.has(path) && !holders.has(path))
      .map(relative)
      .toSorted(),
  };
}

/** Blocks of the inodes that are nowhere any more, each once. */
function freedBytes(before: Snapshot, after: Snapshot, name: string): number {
  const left = new Set([...after.values()].map(({ inode }) => inode));
  const gone = new Map<string, number>();
  for (const { path, inode, blocks } of before.values()) {
    if (path.startsWith(`media/${name}/`) && !left.has(inode)) gone.set(inode, blocks);
  }
  return [...gone.values()].reduce((sum, blocks) => sum + blocks * 512, 0);
}

function toldOf(service: unknown): Told {
  const told = service as {
    readonly files_deleted: number;
    readonly models_deleted: number;
    readonly bytes_freed: number;
    readonly errors: readonly string[];
    readonly warnings: readonly string[];
    readonly verified: boolean;
  };
  return {
    files: told.files_deleted,
    models: told.models_deleted,
    bytes: told.bytes_freed,
    errors: paths(told.errors, ': Operation not permitted'),
    mounts: paths(
      told.warnings.filter((line) => line.includes(' is a mount point: ')),
      ' is a mount point: ',
    ),
    verified: told.verified,
  };
}

/** `A/…`, `B/…` and `Models/…` at the start of lines, as bytes in Latin-1; other lines as they are. */
function paths(lines: readonly string[], until: string): string[] {
  return lines
    .map((line) => {
      const end = line.lastIndexOf(until);
      const title = /^(A|B|Models)\//.exec(line)?.[1];
      if (end < 0 || title === undefined) return line;
      return title.toLowerCase() + bytesOf(line.slice(title.length, end));
    })
    .toSorted();
}

/** Undoes the escapes of a printed name: those of the shell's `$'…'`. */
function bytesOf(text: string): string {
  const letters: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '\\': '\\' };
  return Buffer.from(text)
    .toString('latin1')
    .replace(/\\(?:x([\da-f]{2})|([ntr\\]))/gi, (_, hex: string | undefined, letter: string) =>
      hex === undefined ? (letters[letter] ?? '') : String.fromCharCode(parseInt(hex, 16)),
    );
}
