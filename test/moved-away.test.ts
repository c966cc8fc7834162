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
for level in range(2600):
  os.mkdir("d"); os.chdir("d")
  if level > 2200:
    for name in range(20): open(str(name), "w").close()`;
    execFileSync('python3', ['-c', deep], { cwd: stack.path('data') });
    // It waits until one of them is being emptied, moves the whole tree and counts what is below.
    const mover = `import os, sys, time
for level in range(2400): os.chdir("d")
print("ready", flush=True)
while len(os.listdir(".")) > 5: time.sleep(0.001)
os.rename(sys.argv[1], sys.argv[2])
left = 0
while os.path.exists("d"):
  os.chdir("d")
  left += len([name for name in os.listdir(".") if name != "d"])
print(left, flush=True)`;
    const from = stack.path('data/d');
    const to = stack.path('rescued');
    const python = `exec python3 -c '${mover}' '${from}' '${to}' > moved 2>&1`;
    const started = stack.run(['media', '--yes', '--json', '--concurrency', '1'], {
      prepare: `(cd data; ${python.replace('> moved', '> ../moved')}) & until grep -q ready moved; do sleep 0.02; done`,
      timeout: 60_000,
    });
    const { code } = await started;
    const left = Number(readFileSync(stack.path('moved'), 'utf8').split('\n')[1]);
    expect(left).toBeGreaterThan(2000);
    // Up to 64 names lie between two looks.
    expect(countFiles(to)).toBeGreaterThanOrEqual(left - 64);
    expect(code).toBe(1);
  },
  90_000,
);
