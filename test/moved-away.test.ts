/** What is moved out of the reach of a wipe while it goes on is not deleted where it is then. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { testFolder } from './support/folder.ts';
import { ownStack } from './support/own-config.ts';
import { requireOrSkip } from './support/requirements.ts';
import { mutantTool, startTool } from './support/tool.ts';
import { countFiles } from './support/witness.ts';

const FILES = 16;
/** Removed at once, by threads. */
const UNDER_WAY = 4;

/** A disk on which it takes 400 ms to remove a large file. */
function slowDisk(): string {
  const removal = 'const error = await unlinkByThread(';
  const slow = `await new Promise((done) => setTimeout(done, 400)); ${removal}`;
  return mutantTool(testFolder(), [[removal, slow]]);
}

function largeFiles(folder: string): void {
  mkdirSync(folder, { recursive: true });
  const script = `for i in $(seq -w ${FILES}); do fallocate -l 33M $i.mp4; touch -d "2 days ago" $i.mp4; done`;
  execFileSync('bash', ['-c', script], { cwd: folder });
}

async function untilSomeAreGone(folder: string): Promise<readonly string[]> {
  for (;;) {
    const left = readdirSync(folder).toSorted();
    if (left.length < FILES) return left;
    await sleep(10);
  }
}

describe.skipIf(!requireOrSkip('root', 'mount'))('while large files are removed', () => {
  test('a directory that is moved out keeps the rest', async () => {
    const stack = ownStack();
    stack.config({ directories: ['data'] });
    largeFiles(stack.path('data/sub'));
    const running = startTool(['media', '--yes', '--json'], {
      folder: stack.folder,
      tool: slowDisk(),
    });
    await untilSomeAreGone(stack.path('data/sub'));
    renameSync(stack.path('data/sub'), stack.path('rescued'));
    const then = countFiles(stack.path('rescued'));
    const { code, stdout } = await running.result;
    expect(countFiles(stack.path('rescued'))).toBeGreaterThanOrEqual(then - UNDER_WAY);
    expect(code).toBe(1);
    const { errors } = JSON.parse(stdout) as { readonly errors: readonly string[] };
    expect(errors).toEqual([expect.stringMatching(/^Data\/sub: Moved or replaced/)]);
  });

  test('with --older-than one that is written anew stays', async () => {
    const stack = ownStack();
    stack.config({ directories: ['data'] });
    largeFiles(stack.path('data'));
    const running = startTool(['media', '--yes', '--json', '--older-than', '24h'], {
      folder: stack.folder,
      tool: slowDisk(),
    });
    const last = (await untilSomeAreGone(stack.path('data'))).at(-1) as string;
    writeFileSync(stack.path('new'), 'new content');
    renameSync(stack.path('new'), stack.path('data', last));
    const { code, stdout } = await running.result;
    expect(code).toBe(0);
    expect(readdirSync(stack.path('data'))).toEqual([last]);
    expect(readFileSync(stack.path('data', last), 'utf8')).toBe('new content');
    expect(JSON.parse(stdout)).toMatchObject({ files_deleted: FILES - 1, verified: true });
  });
});

/** Paths longer than PATH_MAX (4096) cannot be asked for. */
test.skipIf(!requireOrSkip('root', 'mount'))(
  'a tree that is too deep for paths keeps what is left of it when it is moved out',
  async () => {
    const stack = ownStack();
    stack.config({ directories: ['data'] });
    mkdirSync(stack.path('data'));
    const deep = `import os
for level in range(2250):
  os.mkdir("d"); os.chdir("d")
  if level > 2100:
    for name in range(20): open(str(name), "w").close()
  if level == 2140: open("barrier", "w").close()`;
    execFileSync('python3', ['-c', deep], { cwd: stack.path('data') });
    // The tool stops itself at the barrier, and goes on when the tree has been moved.
    const stops = `=== 'barrier') process.kill(process.pid, 'SIGSTOP');`;
    // A directory with few entries is emptied by the first of the two.
    const few = 'if (found.isDirectory() || found.name.includes(REPLACEMENT)) return false;';
    const many = 'const { name, stat } = file;';
    const tool = mutantTool(testFolder(), [
      [few, `${few} if (found.name ${stops}`],
      [many, `${many} if (String(name) ${stops}`],
    ]);
    // It waits for that, moves the whole tree and counts what is below what was emptied.
    const mover = `import os, signal, sys, time
for level in range(2130): os.chdir("d")
print("ready", flush=True)
tool = int(sys.argv[3])
while open(f"/proc/{tool}/stat").read().split()[2] != "T": time.sleep(0.01)
beside = [name for name in os.listdir(".") if name != "d"]
os.rename(sys.argv[1], sys.argv[2])
left = 0
while os.path.exists("d"):
  os.chdir("d")
  left += len([name for name in os.listdir(".") if name != "d"])
print(f"not emptied: {beside}" if beside else left, flush=True)
os.kill(tool, signal.SIGCONT)`;
    const from = stack.path('data/d');
    const to = stack.path('rescued');
    const python = `exec python3 -c '${mover}' '${from}' '${to}' $$ > ../moved 2>&1`;
    const started = stack.run(['media', '--yes', '--json', '--concurrency', '1'], {
      tool,
      prepare: `(cd data; ${python}) & until grep -q ready moved; do sleep 0.02; done`,
      timeout: 240_000,
    });
    const { code } = await started;
    const moved = readFileSync(stack.path('moved'), 'utf8');
    const left = Number(moved.split('\n')[1]);
    expect(left, moved).toBeGreaterThan(2000);
    // Up to 64 names lie between two looks.
    expect(countFiles(to)).toBeGreaterThanOrEqual(left - 64);
    expect(code).toBe(1);
  },
  300_000,
);
