/** docs/runbook.md: each command is one that the tool takes, and each block does what it says. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseArguments } from '../src/cli.ts';
import { confine } from './support/confine.ts';
import { fillQuickly, liveStack } from './support/live-stack.ts';
import { requireOrSkip } from './support/requirements.ts';
import { SERVICE_NAMES } from './support/stack.ts';
import { REPOSITORY, TOOL, toolEnvironment } from './support/tool.ts';
import { fileList } from './support/witness.ts';

const RUNBOOK = readFileSync(join(REPOSITORY, 'docs/runbook.md'), 'utf8');
const BLOCKS = [...RUNBOOK.matchAll(/^```sh\n(.*?)^```/gms)].map(([, text = '']) =>
  text.split('\n').filter((line) => line !== ''),
);
const [PREPARATION = [], ...REST] = BLOCKS;

/** Everywhere that somebody may copy a command from. */
const SOURCES = [
  'docs/runbook.md',
  'contrib/crontab',
  'contrib/systemd/media-cleanup.service',
  'contrib/docker-compose.cleanup.yaml',
];

function commandsOf(text: string): readonly string[] {
  const joined = text.replaceAll(/ \\\n\s*/g, ' ');
  const called =
    /(?:^|[`/]|(?<!-u)\s)media-cleanup((?: (?:--?[a-z]|all|status|doctor|logs|stats|video-)[^`|;&#\n]*)+)/gm;
  return [...joined.matchAll(called)].map(([, words = '']) => words.trim());
}

test.each(SOURCES)('%s: the tool takes every command', (source) => {
  const text = readFileSync(join(REPOSITORY, source), 'utf8');
  const commands =
    source === 'contrib/docker-compose.cleanup.yaml'
      ? [...text.matchAll(/run --rm cleanup ([-a-z ]+?)(?: {2,}|$)/gm)].map(
          ([, words = '']) => words,
        )
      : commandsOf(text);
  expect(commands.length).toBeGreaterThan(0);
  for (const command of commands) {
    const parsed = parseArguments(command.split(/\s+/), '0');
    expect({ command, is: parsed.is }).toEqual({ command, is: 'request' });
  }
});

test('its links lead somewhere', () => {
  const slug = (title: string): string =>
    title
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .replaceAll(' ', '-');
  const titles = [...RUNBOOK.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) => slug(title));
  const links = [...RUNBOOK.matchAll(/\]\(#([^)]+)\)/g)].map(([, link = '']) => link);
  const rules = readFileSync(
    join(REPOSITORY, 'contrib/prometheus/media-cleanup.rules.yaml'),
    'utf8',
  );
  const alerts = [...rules.matchAll(/runbook\.md#(\S+)/g)].map(([, link = '']) => link);
  expect(titles).toEqual(expect.arrayContaining([...links, ...alerts]));
  for (const [, alert] of rules.matchAll(/alert: (\w+)/g))
    expect(RUNBOOK).toContain(`\`${alert}\``);
});

describe.skipIf(!requireOrSkip('redis', 'celery', 'jq'))('as one pastes it', () => {
  test('every block', { timeout: 240_000 }, async () => {
    const stack = await liveStack();
    const { folder, env } = stack;
    fillQuickly(stack);
    const etc = join(folder, 'etc');
    const bin = join(folder, 'bin');
    for (const directory of [etc, bin]) mkdirSync(directory);
    const urls = Object.entries(env).filter(([name]) => name.endsWith('_REDIS_URL'));
    writeFileSync(
      join(etc, 'environment'),
      urls.map(([name, value]) => `${name}=${value}\n`).join(''),
    );
    writeFileSync(
      join(bin, 'media-cleanup'),
      `#!/bin/sh\nexec ${process.execPath} ${TOOL} "$@"\n`,
      { mode: 0o755 },
    );
    const here = (line: string): string =>
      line
        .replaceAll('/srv/media', folder)
        .replaceAll('/etc/media-cleanup', etc)
        .replaceAll('/opt/media-cleanup/node_modules/.bin', bin)
        .replaceAll('/run/media-cleanup', join(folder, 'run'));
    const run = async (lines: readonly string[]) => {
      const script = [
        ...PREPARATION.map(here),
        ...lines.flatMap((line) => [here(line), 'echo "exit code $?"']),
      ].join('\n');
      const options = { folder, env: toolEnvironment(folder), timeout: 120_000 };
      const { stdout, stderr } = await confine(['/bin/bash', '-c', script], options);
      const parts = stdout.split(/exit code (\d+)\n/);
      return lines.map((line, index) => ({
        line: line.replace(/ {2,}#.*/, ''),
        code: Number(parts[index * 2 + 1]),
        output: parts[index * 2] ?? '',
        stderr,
      }));
    };
    const results = [];
    for (const block of REST) results.push(...(await run(block)));
    const codeOf = (line: string): readonly number[] => {
      // Nobody is there to type the word: test/question.test.ts types it.
      if (line === 'media-cleanup all') return [2];
      // As long as there are messages, and no worker in this test.
      if (line === 'media-cleanup doctor') return [0, 1];
      return [0];
    };
    for (const { line, code, stderr } of results) {
      expect(codeOf(line), `${line}: ${code}\n${stderr}`).toContain(code);
    }
    for (const name of SERVICE_NAMES) {
      expect(fileList(join(folder, 'services', name))).toEqual([]);
    }
    const proof = results.filter(({ line }) => /\| wc -l$|llen|hlen|exists/.test(line));
    expect(proof.map(({ output }) => output.trim())).toEqual(proof.map(() => '0'));
    expect(proof.length).toBeGreaterThan(6);
    const routing = results.find(({ line }) => line.includes('_kombu.binding'));
    expect(routing?.output).toContain('_kombu.binding.');
  });
});
