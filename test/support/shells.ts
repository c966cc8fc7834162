/** Real shells on a pseudo-terminal, with the completion script installed as its help says. */
import { chmodSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { SHELLS, type Shell } from '../../src/commands/request.ts';
import { findPython } from '../setup/needs.ts';
import { startConfined } from './confine.ts';
import { runTool, TOOL, toolEnvironment } from './tool.ts';

export { SHELLS, type Shell };

const SCRIPT = fileURLToPath(new URL('terminal.py', import.meta.url));
const READY = 'READY> ';
const DUMP = '\x07';
const KILL_LINE = '\x15';

export interface ShellOnTerminal {
  /** Types keys into an empty line; what the line is then, and what the screen showed meanwhile. */
  press(keys: string): Promise<{ readonly line: string; readonly screen: string }>;
  end(): Promise<void>;
}

/** Where each shell looks for the script by itself, relative to the home directory. */
const PLACES: Readonly<Record<Shell, string>> = {
  bash: 'media-cleanup.bash',
  zsh: 'functions/_media-cleanup',
  fish: '.config/fish/completions/media-cleanup.fish',
};

/** Ctrl-G prints the line as the shell has it. */
const STARTUP: Readonly<Record<Shell, readonly [file: string, text: string]>> = {
  bash: [
    '.bashrc',
    String.raw`PS1='READY> '
source ~/media-cleanup.bash
bind 'set show-all-if-ambiguous on'
bind 'set completion-query-items 0'
bind 'set page-completions off'
bind 'set enable-bracketed-paste off'
bind -x '"\C-g": printf "\nLINE<%s>\n" "$READLINE_LINE"'
`,
  ],
  zsh: [
    '.zshrc',
    String.raw`PS1='READY> '
fpath=(~/functions $fpath)
autoload -Uz compinit
compinit -u -D
LISTMAX=-1
unset zle_bracketed_paste
dump() { zle -I; printf '\nLINE<%s>\n' "$BUFFER" }
zle -N dump
bindkey '^G' dump
`,
  ],
  fish: [
    '.config/fish/config.fish',
    String.raw`set -g fish_greeting
function fish_prompt; echo -n 'READY> '; end
function dump; printf '\nLINE<%s>\n' (commandline | string collect); end
bind \cg dump
`,
  ],
};

const COMMANDS: Readonly<Record<Shell, readonly string[]>> = {
  bash: ['bash', '--noprofile', '-i'],
  zsh: ['zsh', '-i'],
  fish: ['fish', '-i'],
};

/** @param script instead of what `media-cleanup completion` prints. */
export async function startShell(
  shell: Shell,
  folder: string,
  options: { readonly env?: Readonly<Record<string, string>>; readonly script?: string } = {},
): Promise<ShellOnTerminal> {
  const home = join(folder, 'home');
  const { script = (await runTool(['completion', shell], { folder })).stdout } = options;
  const [startup, text] = STARTUP[shell];
  for (const [file, content] of [
    [PLACES[shell], script],
    [startup, text],
  ] as const) {
    mkdirSync(dirname(join(home, file)), { recursive: true });
    writeFileSync(join(home, file), content);
  }
  const bin = join(folder, 'bin');
  mkdirSync(bin, { recursive: true });
  chmodSync(bin, 0o755);
  if (!existsSync(join(bin, 'media-cleanup'))) symlinkSync(TOOL, join(bin, 'media-cleanup'));
  const base = toolEnvironment(folder);
  const running = startConfined([findPython().path, SCRIPT, ...COMMANDS[shell]], {
    folder,
    env: {
      ...base,
      PATH: `${bin}:${base['PATH'] ?? ''}`,
      TERM: 'xterm',
      LANG: 'C.UTF-8',
      TEST_COLUMNS: '100',
      ...options.env,
    },
    timeout: 120_000,
  });
  const waitFor = async (from: number, pattern: RegExp): Promise<RegExpExecArray> => {
    const deadline = Date.now() + 20_000;
    for (;;) {
      const found = pattern.exec(running.stdout().slice(from));
      if (found !== null) return found;
      if (Date.now() > deadline) throw new Error(`${shell} showed only:\n${running.stdout()}`);
      await sleep(20);
    }
  };
  await waitFor(0, new RegExp(READY));
  return {
    press: async (keys) => {
      const from = running.stdout().length;
      running.write(`${keys}${DUMP}`);
      const found = await waitFor(from, /\nLINE<([^]*?)>\r?\n/);
      const screen = stripVTControlCharacters(running.stdout().slice(from, from + found.index));
      // Whatever it still draws belongs to this line and not to the next one.
      const drawn = running.stdout().length;
      running.write(`${KILL_LINE}${DUMP}`);
      await waitFor(drawn, /\nLINE<>\r?\n/);
      return { line: found[1] ?? '', screen };
    },
    end: async () => {
      running.kill('SIGKILL');
      await running.result;
    },
  };
}
