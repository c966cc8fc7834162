/** Other processes that help to remove: when they are started, what they count, and what if they die. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { testFolder } from './support/folder.ts';
import { ownStack, type OwnStack } from './support/own-config.ts';
import { mutantTool } from './support/tool.ts';
import { allocatedBytes, countFiles, entryList } from './support/witness.ts';

const MANY = 9000;

function fill(stack: OwnStack, directories: number, files: number): void {
  const script = `for d in $(seq ${directories}); do mkdir -p data/$d; (cd data/$d; seq -f %g.mp3 ${files} | xargs touch); done`;
  mkdirSync(stack.path('data'), { recursive: true });
  execFileSync('bash', ['-c', script], { cwd: stack.folder });
}

/** A build whose file workers run this instead, after leaving a mark that they were started. */
function withWorker(stack: OwnStack, code: string): { readonly tool: string; mark(): boolean } {
  const folder = testFolder();
  const tool = mutantTool(folder, []);
  const mark = stack.path('started');
  writeFileSync(
    join(folder, 'dist/file-worker.cjs'),
    `const { writeFileSync } = require('node:fs');\nwriteFileSync(${JSON.stringify(mark)}, '');\n${code}`,
  );
  return { tool, mark: () => existsSync(mark) };
}

describe('other processes', () => {
  test('are not started for a small wipe', async () => {
    const stack = ownStack();
    stack.config({ directories: ['data'] });
    // So few that even a busy machine removes them in a tenth of a second.
    fill(stack, 3, 5);
    const { tool, mark } = withWorker(stack, '');
    const { code, service } = await stack.wipe({ tool });
    expect({ code, started: mark() }).toEqual({ code: 0, started: false });
    expect(service).toMatchObject({ files_deleted: 15, verified: true });
  });

  test('are not started with --concurrency 1, however large it is', async () => {
    const stack = ownStack();
    stack.config({ directories: ['data'] });
    fill(stack, 6, MANY / 6);
    const { tool, mark } = withWorker(stack, '');
    const args = ['media', '--yes', '--json', '--concurrency', '1'];
    const { code } = await stack.run(args, { tool });
    expect({ code, started: mark() }).toEqual({ code: 0, started: false });
    expect(entryList(stack.path('data'))).toEqual([]);
  });

  test.each([
    ['at once', 'process.exit(1);'],
    [
      'with the first piece of work in its hands',
      "process.on('message', () => process.kill(process.pid, 'SIGKILL'));",
    ],
    ['without being able to work', "throw new Error('broken');"],
  ])('that die %s leave nothing undone', async (_, code) => {
    const stack = ownStack();
    stack.config({ directories: ['data'] });
    fill(stack, 9, MANY / 9);
    const { tool, mark } = withWorker(stack, code);
    const result = await stack.run(['media', '--yes', '--json', '--concurrency', '3'], { tool });
    expect(mark()).toBe(true);
    expect(entryList(stack.path('data'))).toEqual([]);
    expect(result.code).toBe(0);
    expect(JSON.parse(result.stdout)).toMatchObject({ files_deleted: MANY, verified: true });
  });

  test.each([['2'], ['3'], ['24'], [undefined]])(
    'count together what find and du say: --concurrency %s',
    async (concurrency) => {
      const stack = ownStack();
      stack.config({ directories: ['data', 'more'] });
      fill(stack, 8, 1000);
      mkdirSync(stack.path('more'));
      // Second names, in the same and in other directories, and some outside.
      const link = [
        'cd data; for i in $(seq 1 500); do printf %5000s > 1/$i.mp3; ln 1/$i.mp3 2/second-$i; done',
        'for i in $(seq 501 800); do printf %5000s > 3/$i.mp3; ln 3/$i.mp3 ../more/$i; done',
        'mkdir ../outside; for i in $(seq 1 50); do printf %5000s > 4/$i.mp3; ln 4/$i.mp3 ../outside/$i; done',
      ];
      execFileSync('bash', ['-c', link.join('\n')], { cwd: stack.folder });
      const files = countFiles(stack.path('data')) + countFiles(stack.path('more'));
      const before = allocatedBytes(stack.folder);
      const more = concurrency === undefined ? [] : ['--concurrency', concurrency];
      const { code, stdout } = await stack.run(['media', '--yes', '--json', ...more]);
      expect(code).toBe(0);
      const report = JSON.parse(stdout) as {
        readonly files_deleted: number;
        readonly services: Readonly<Record<string, { readonly bytes_freed: number }>>;
      };
      expect(report.files_deleted).toBe(files);
      const freed = before - allocatedBytes(stack.folder);
      const directories = (report.services['media']?.bytes_freed ?? 0) - freed;
      expect(directories % 4096).toBe(0);
      expect(directories / 4096).toBeLessThan(8 * 40);
      expect(entryList(stack.path('outside'))).toHaveLength(50);
    },
  );

  test('of which one cannot take a directory over: counts stay right', async () => {
    const stack = ownStack();
    stack.config({ directories: ['data'] });
    fill(stack, 30, 800);
    const take = 'const taken = openHandedOver(owner, directory.descriptor);';
    const tool = mutantTool(testFolder(), [
      [
        take,
        `globalThis.taken = (globalThis.taken ?? 0) + 1; if (globalThis.taken === 6) throw Object.assign(new Error('EMFILE'), { code: 'EMFILE' }); ${take}`,
      ],
    ]);
    const args = ['media', '--yes', '--json', '--concurrency', '24'];
    const { code, stdout } = await stack.run(args, { tool });
    expect(entryList(stack.path('data'))).toEqual([]);
    expect(JSON.parse(stdout)).toMatchObject({ files_deleted: 24_000, warnings: [] });
    expect(code).toBe(0);
  });

  /** A build whose workers hold what they get until they are called back; how many trees that was. */
  function withHoldingWorker(stack: OwnStack): { readonly tool: string; held(): number[] } {
    const log = stack.path('given');
    const code = `const held = [];
      const { appendFileSync } = require('node:fs');
      process.on('disconnect', () => process.exit());
      process.on('message', (message) => {
        if (message.is === 'work') held.push(message.work);
        const trees = held.reduce((sum, work) => sum + work.trees.length, 0);
        appendFileSync(${JSON.stringify(log)}, trees + '\\n');
        const back = message.is === 'work' && message.work.trees.length > 0 ? [] : held.splice(0);
        for (const { id, trees: unfinished } of back) {
          process.send({
            id, failures: [], mounts: [], pending: [], busy: [], several: [],
            removal: { deleted: 0, bytesFreed: 0, inodesFreed: 0, young: 0 },
            end: { left: 0, unfinished, begun: [], tried: undefined, refused: [], milliseconds: 0 },
          });
        }
      });`;
    const { tool } = withWorker(stack, code);
    return { tool, held: () => readFileSync(log, 'utf8').trim().split('\n').map(Number) };
  }

  test.each([
    ['many', 120, 200, 60],
    ['three large', 3, 4000, 1],
  ])('get their share of %s directories, and what comes back is not lost', async (...row) => {
    const [, directories, files, share] = row;
    const stack = ownStack();
    stack.config({ directories: ['data'] });
    fill(stack, directories, files);
    const { tool, held } = withHoldingWorker(stack);
    const args = ['media', '--yes', '--json', '--concurrency', '2'];
    const { code, stdout } = await stack.run(args, { tool });
    expect(Math.max(...held())).toBeGreaterThan(0);
    expect(Math.max(...held())).toBeLessThanOrEqual(share);
    expect(entryList(stack.path('data'))).toEqual([]);
    expect(JSON.parse(stdout)).toMatchObject({
      files_deleted: directories * files,
      verified: true,
    });
    expect(code).toBe(0);
  });

  test.each(['0', '-1', '1.5', 'many', '2000'])('--concurrency %s is a usage error', async (n) => {
    const stack = ownStack();
    stack.config({ directories: ['data'] });
    expect((await stack.run(['media', '--yes', '--concurrency', n])).code).toBe(2);
  });
});
