/** Writes man/media-cleanup.1 out of what `--help` says, or with `--check` fails when it is not current. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { buildProgram } from '../../src/cli.ts';

const DATE = '2026-11-24';
const WIDTH = 78;

const repository = new URL('../../', import.meta.url);
const file = fileURLToPath(new URL('man/media-cleanup.1', repository));
const { version } = JSON.parse(readFileSync(new URL('package.json', repository), 'utf8')) as {
  readonly version: string;
};
const current = manual(
  buildProgram(version, () => undefined),
  version,
);

if (!process.argv.includes('--check')) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, current);
} else if (read() !== current) {
  process.stderr.write('man/media-cleanup.1 is not current: run `npm run man`\n');
  process.exitCode = 1;
}

interface Part {
  /** Undefined: what stands before the first heading. */
  readonly heading: string | undefined;
  readonly lines: readonly string[];
}

function manual(program: Command, release: string): string {
  const parts = partsOf(program);
  const known = new Set(parts.map((part) => JSON.stringify(part)));
  const [summary = ''] = program.description().split(':');
  return roff([
    '.\\" Made by test/setup/man.ts out of the same source as --help: do not edit.',
    // The version's own; a page without one is not valid, and that of the build would differ.
    `.TH MEDIA\\-CLEANUP 1 "${DATE}" "media\\-cleanup ${escape(release)}" "User Commands"`,
    // Neither hyphenated nor stretched: flags and file names are to be found and copied.
    '.nh',
    '.ad l',
    '.SH NAME',
    `media\\-cleanup \\- ${escape(summary.charAt(0).toLowerCase() + summary.slice(1))}`,
    '.SH SYNOPSIS',
    ...synopsis(program),
    '.SH DESCRIPTION',
    text(program.description()),
    '.SH OPTIONS',
    ...rows(program),
    '.SH COMMANDS',
    ...visibleCommands(program).flatMap((command) => commandSection(command, known)),
    ...parts.flatMap(({ heading = '', lines }) => [...section(heading), ...body(lines)]),
  ]);
}

function visibleCommands(program: Command): readonly Command[] {
  return program.createHelp().visibleCommands(program);
}

function synopsis(program: Command): readonly string[] {
  const help = program.createHelp();
  const lines = [
    ...help.commandUsage(program).split('\n').slice(0, 1),
    ...visibleCommands(program).map((command) => `${program.name()} ${termOf(command)}`),
  ];
  return lines.flatMap((line, index) => [...(index === 0 ? [] : ['.br']), term(line.trim())]);
}

function termOf(command: Command): string {
  const usage = command.usage();
  // commander's own `help` has its argument in none of the texts.
  const words = command.registeredArguments.map((argument) => `[${argument.name()}]`);
  return `${command.name()} ${command.name() === 'help' ? words.join(' ') : usage}`.trim();
}

function commandSection(command: Command, known: ReadonlySet<string>): readonly string[] {
  const parts = partsOf(command).filter((part) => !known.has(JSON.stringify(part)));
  const before = parts.find(({ heading }) => heading === undefined);
  const others = parts.filter((part) => part !== before);
  return [
    `.SS ${term(termOf(command))}`,
    text(command.description()),
    ...(before === undefined ? [] : body(before.lines)),
    ...rows(command),
    ...others.flatMap(({ heading = '', lines }) => ['.PP', `${escape(heading)}:`, ...body(lines)]),
  ];
}

/** Arguments and options, as the help has them. */
function rows(command: Command): readonly string[] {
  const help = command.createHelp();
  const items = [
    ...help
      .visibleArguments(command)
      .map((one) => [help.argumentTerm(one), help.argumentDescription(one)] as const),
    ...help
      .visibleOptions(command)
      .map((one) => [help.optionTerm(one), help.optionDescription(one)] as const),
  ];
  return items.flatMap(([name, what]) => ['.TP', term(name), text(what)]);
}

/** What stands below the options of the help, at its headings. */
function partsOf(command: Command): readonly Part[] {
  const parts: { heading: string | undefined; lines: string[] }[] = [];
  for (const line of textBelow(command).split('\n')) {
    const [, alone, , title, rest] = /^(?:([A-Z].*):|(([A-Z][a-z]+): (.*)))$/.exec(line) ?? [];
    if (alone !== undefined) parts.push({ heading: alone, lines: [] });
    else if (title !== undefined) parts.push({ heading: title, lines: [rest ?? ''] });
    else if (parts.length === 0) parts.push({ heading: undefined, lines: [line] });
    else parts.at(-1)?.lines.push(line);
  }
  return parts
    .map(({ heading, lines }) => ({ heading, lines: lines.join('\n').trimEnd().split('\n') }))
    .filter(({ lines }) => lines.some((line) => line.trim() !== ''));
}

function textBelow(command: Command): string {
  let all = '';
  command.configureOutput({ writeOut: (piece) => (all += piece) });
  command.outputHelp();
  return all.slice(command.helpInformation().length);
}

/** A long heading is one up to its comma. */
function section(heading: string): readonly string[] {
  const [name = '', ...rest] = heading.split(', ');
  const more = rest.join(', ');
  return [
    `.SH ${escape(name.toUpperCase())}`,
    ...(more === '' ? [] : [text(`${more.charAt(0).toUpperCase()}${more.slice(1)}:`)]),
  ];
}

/**
 * Lines of the help: `  name   what it is` with what goes on below it, commands that are examples,
 * and sentences.
 */
function body(lines: readonly string[]): readonly string[] {
  const output: string[] = [];
  let paragraph = false;
  for (const line of lines) {
    const [, name, what] = /^ {2}(\S.*?) {2,}(\S.*)$/.exec(line) ?? [];
    if (line.trim() === '') {
      paragraph = false;
    } else if (name !== undefined && what !== undefined) {
      output.push('.TP', `.B ${escape(name)}`, text(what));
      paragraph = false;
    } else if (/^ {2}(media-cleanup|source) /.test(line)) {
      output.push('.TP', `.B ${escape(line.trim())}`);
      paragraph = false;
    } else if (/^ {4,}/.test(line) || paragraph) {
      output.push(text(line));
    } else {
      output.push('.PP', text(line));
      paragraph = true;
    }
  }
  return output;
}

/** Flags and words bold, placeholders as in print. */
function term(text_: string): string {
  const pieces = text_.split(/(<[^>]*>|\[[^\]]*\]|, | )/).filter((piece) => piece !== '');
  return pieces
    .map((piece) => {
      if (/^[<[]/.test(piece)) return `\\fI${escape(piece)}\\fR`;
      return /^[, ]+$/.test(piece) ? piece : `\\fB${escape(piece)}\\fR`;
    })
    .join('');
}

/** Running text in short lines; a dot or a quote at the beginning of one would be a request. */
function text(plain: string): string {
  const lines: string[] = [];
  for (const word of escape(plain.trim()).split(/\s+/)) {
    const longer = `${lines.at(-1) ?? ''} ${word}`;
    if (lines.length === 0 || longer.length > WIDTH) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines.map((line) => (/^[.']/.test(line) ? `\\&${line}` : line)).join('\n');
}

function escape(plain: string): string {
  return plain
    .replace(/\\/g, '\\e')
    .replace(/-/g, '\\-')
    .replace(/'/g, '\\(aq')
    .replace(/`/g, '\\(ga')
    .replace(/\^/g, '\\(ha')
    .replace(/~/g, '\\(ti')
    .replace(/"/g, '\\(dq')
    .replace(/…/g, '...')
    .replace(/[^ -~]/gu, (character) => {
      const code = character.codePointAt(0) ?? 0;
      return `\\[u${code.toString(16).toUpperCase().padStart(4, '0')}]`;
    });
}

function roff(lines: readonly string[]): string {
  const kept = lines.filter((line, index) => {
    return line !== '.PP' || !/^\.S[HS] /.test(lines[index - 1] ?? '');
  });
  return `${kept.join('\n')}\n`;
}

function read(): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
