/** The command as a shell starts it: Node must not take --env-file for an option of its own. */
import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { confine } from './support/confine.ts';
import type { Result } from './support/confine.ts';
import { addFiles, project } from './support/project.ts';
import { TOOL, runTool, toolEnvironment } from './support/tool.ts';
import { fileList } from './support/witness.ts';

interface Stack {
  readonly folder: string;
  /** With blanks in their paths, and `data$1` in the folder, as no other reader of the file has it. */
  readonly uploads: string;
  /** Exists once Node has taken NODE_OPTIONS from the env file. */
  readonly loaded: string;
  run(...args: readonly string[]): Promise<Result>;
}

/** The command is a symbolic link, as npm makes it. */
function stack(): Stack {
  const folder = join(project({ 'my stack/': '' }), 'my stack');
  const loaded = join(folder, 'loaded');
  const uploads = join(folder, 'data$1/uploads');
  addFiles(folder, {
    'data$1/uploads/a': 'x',
    'load.cjs': `require('node:fs').writeFileSync(${JSON.stringify(loaded)}, '');`,
    '.env': `STACK_ROOT=data$$1\nNODE_OPTIONS=--require=./load.cjs\n`,
    'cleanup.config.json': JSON.stringify({
      services: { media: { root: '${STACK_ROOT}', directories: ['uploads'] } },
    }),
  });
  const bin = join(folder, 'node_modules/.bin');
  mkdirSync(bin, { recursive: true });
  const command = join(bin, 'media-cleanup');
  symlinkSync(TOOL, command);
  const env = toolEnvironment(folder);
  return {
    ...{ folder, uploads, loaded },
    run: (...args) => confine([command, ...args], { folder, env }),
  };
}

test.each([[['--env-file', 'no.env']], [['--env-file=no.env']]])(
  'a missing env file is an error of the command: %j',
  async (words) => {
    const { run, uploads } = stack();
    for (const args of [['all', '--yes'], ['stats', 'all'], ['doctor'], ['init', '--dry-run']]) {
      const { code, stderr } = await run(...args, ...words);
      expect([code, stderr]).toEqual([2, expect.stringContaining('no.env: it does not exist')]);
    }
    expect(fileList(uploads)).toHaveLength(1);
  },
);

test('an env file is read as compose reads it, and NODE_OPTIONS in it loads nothing', async () => {
  const { run, uploads, loaded } = stack();
  const { code, stderr } = await run('all', '--yes', '--env-file', '.env');
  expect([code, stderr]).toEqual([0, expect.any(String)]);
  expect([fileList(uploads), existsSync(loaded)]).toEqual([[], false]);
});

test('neither does it in the background', async () => {
  const { run, folder, uploads, loaded } = stack();
  const started = await run('all', '--yes', '--detach', '--env-file=.env');
  expect(started.code, started.stderr).toBe(0);
  const waited = await runTool(['status', '--wait', '--json'], { folder });
  expect(waited.code, waited.stdout).toBe(0);
  expect([fileList(uploads), existsSync(loaded)]).toEqual([[], false]);
});

test('blanks, quotes, line ends and patterns in words stay as they are', async () => {
  const { run } = stack();
  for (const word of ['a  b', "it's", '*', 'x\ny', '', '$HOME', '`id`', '\\n', '=--env-file']) {
    const { code, stderr } = await run('stats', 'all', `--config=./no/${word}.json`);
    expect([code, stderr]).toEqual([2, expect.stringContaining(`/no/${word}.json`)]);
  }
});
