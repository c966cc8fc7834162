/**
 * `npm run screens`: what an operator sees, taken from a real terminal (tmux) at 80 and 120 columns on
 * a stack as in the demo, and put into README.md between the marks. Needs root and tmux.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { confinedCommand } from '../support/confine.ts';
import { createFolder } from '../support/folder.ts';
import { startRedis } from '../support/redis.ts';
import type { TestRedis } from '../support/redis.ts';
import { stackEnvironment } from '../support/stack.ts';
import { REPOSITORY, TOOL } from '../support/tool.ts';
import { fillStack } from './fill-stack.ts';

/** Where the stack seems to lie; long paths of a temporary folder would wrap differently. */
const SHOWN = '/srv/media/stack';
const README = join(REPOSITORY, 'README.md');
const [BEGIN, END] = ['<!-- screens: npm run screens -->', '<!-- end of screens -->'];
const ROWS = 60;

const texts: string[] = [];
for (const width of [80, 120]) texts.push(await screensAt(width));
const readme = readFileSync(README, 'utf8');
const start = readme.indexOf(BEGIN);
const end = readme.indexOf(END);
if (start === -1 || end === -1) throw new Error('README.md has no marks for the screens');
writeFileSync(
  README,
  `${readme.slice(0, start)}${BEGIN}\n\n${texts.join('\n')}\n${readme.slice(end)}`,
);
process.exit(0);

async function screensAt(width: number): Promise<string> {
  const folder = createFolder();
  process.once('exit', () => folder.remove());
  const redis = await startRedis(folder.path);
  await fillStack(folder.path, redis);
  addJobs(redis, 12_000);
  mkdirSync(join(folder.path, 'home'));
  const env = {
    ...stackEnvironment(folder.path, redis),
    LANG: 'C.UTF-8',
    TERM: 'screen-256color',
    HOME: `${SHOWN}/home`,
    XDG_STATE_HOME: `${SHOWN}/home/.local/state`,
  };
  const terminal = startTmux(width);
  try {
    terminal.run(folder.path, env, ['stats', 'all']);
    const stats = await terminal.until('$ _');
    terminal.run(folder.path, env, ['all', '--rate', '2500']);
    const prompt = await terminal.until('to delete all of this on');
    terminal.type('all');
    const progress = await terminal.until(/s left/);
    const report = await terminal.until('TOTAL WIPE COMPLETED');
    addJobs(redis, 12_000);
    terminal.run(folder.path, env, ['all', '--yes', '--rate', '2500', '--detach']);
    const detached = await terminal.until('$ _');
    const [id = ''] = /cleanup_total_\d+_\d+/.exec(detached) ?? [];
    await sleep(2500);
    terminal.run(folder.path, env, ['status']);
    const list = await terminal.until('$ _');
    terminal.run(folder.path, env, ['status', id]);
    const running = await terminal.until('$ _');
    terminal.run(folder.path, env, ['status', id, '--wait']);
    await terminal.until('Exit code');
    const parts: readonly (readonly [string, string])[] = [
      ['`stats all`: where the space is', stats],
      ['The question', prompt],
      ['Progress', progress.split('\n').slice(-1).join('\n')],
      ['The report', report.slice(report.lastIndexOf('Service '))],
      ['`--detach`', detached],
      ['`status`', list],
      ['`status <id>` while it runs', running],
    ];
    const title = `<details><summary>At ${width} columns</summary>\n`;
    const body = parts.map(([name, text]) => `${name}:\n\n\`\`\`\n${text.trimEnd()}\n\`\`\`\n`);
    return `${title}\n${body.join('\n')}\n</details>\n`;
  } finally {
    terminal.kill();
    await redis.stop();
  }
}

function addJobs(redis: TestRedis, count: number): void {
  const lua = `for i = 1, ARGV[1] do redis.call('SET', 'transcription_job:more:' .. i, '{}') end`;
  redis.cli('-n', '3', 'EVAL', lua, '0', String(count));
}

function startTmux(width: number) {
  const socket = `screens-${process.pid}-${width}`;
  const tmux = (...args: readonly string[]): string =>
    execFileSync('tmux', ['-L', socket, ...args], { encoding: 'utf8' });
  tmux('-f', '/dev/null', 'new-session', '-d', '-x', String(width), '-y', String(ROWS), 'cat');
  tmux('set', '-g', 'remain-on-exit', 'on');
  const screen = (): string => tmux('capture-pane', '-p', '-S', '-200').trimEnd();
  return {
    run(folder: string, env: Readonly<Record<string, string>>, args: readonly string[]): void {
      const command = confinedCommand([process.execPath, TOOL, ...args], { folder: SHOWN, env });
      const inner = command.map(quoted).join(' ');
      const script = `hostname media1 && mount -t tmpfs none /srv && mkdir -p ${SHOWN} && mount --bind ${quoted(folder)} ${SHOWN} && cd ${SHOWN} && ${inner}; printf '\\n$ _'; sleep 600`;
      tmux('respawn-pane', '-k', `unshare -m -u bash -c ${quoted(script)}`);
      tmux('clear-history');
    },
    type(text: string): void {
      tmux('send-keys', text, 'Enter');
    },
    async until(what: string | RegExp): Promise<string> {
      for (let waited = 0; waited < 60_000; waited += 20) {
        const text = screen();
        if (typeof what === 'string' ? text.includes(what) : what.test(text)) {
          return text.replace('$ _', '').trimEnd();
        }
        await sleep(20);
      }
      throw new Error(`the screen did not show ${String(what)}:\n${screen()}`);
    },
    kill(): void {
      tmux('kill-server');
    },
  };
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
