import type { Argument, Command, Option } from 'commander';
import { KINDS } from '../report/types.ts';

/** What may stand where the cursor is; all words come from commander's own commands and options. */

export interface Word {
  readonly value: string;
  /** Empty: there is nothing to say of it. */
  readonly description: string;
}

export interface Suggestions {
  /** Files and directories are looked up by the shell. */
  readonly kind: 'words' | 'files' | 'directories';
  /** The beginning of the word at the cursor that stays as it is: `--format=`, `jobs,`. */
  readonly kept: string;
  readonly words: readonly Word[];
  /** After a word a comma and another one may follow. */
  readonly isList: boolean;
}

/** What is to be looked up outside. Neither throws; what cannot be read has nothing. */
export interface Lookup {
  /** @param configFile `--config`, where it was given. */
  services(configFile: string | undefined): readonly Word[];
  /** Newest first. @param stateDirectory `--state-dir`, where it was given. */
  runs(stateDirectory: string | undefined): readonly Word[];
}

interface Line {
  readonly command: Command;
  readonly operands: readonly string[];
  /** Attribute names of the options that were given, with their values. */
  readonly given: ReadonlyMap<string, string>;
  /** The option whose value comes next. */
  readonly awaiting: Option | undefined;
  /** Behind `--`. */
  readonly onlyOperands: boolean;
}

const NONE: Suggestions = { kind: 'words', kept: '', words: [], isList: false };

/** @param words behind the command's name, without quotes; the last one ends at the cursor. */
export function suggest(program: Command, words: readonly string[], lookup: Lookup): Suggestions {
  const line = readLine(program, words.slice(0, -1));
  const current = words.at(-1) ?? '';
  if (line.awaiting !== undefined) return valuesOf(line.awaiting, '', current);
  if (line.onlyOperands || !current.startsWith('-')) return operands(program, line, lookup);
  const [, flag = '', value] = /^(--[^=]+=)(.*)$/s.exec(current) ?? [];
  if (value === undefined) return { ...NONE, words: flags(line, current) };
  const option = optionsOf(line.command).find(({ long }) => `${long}=` === flag);
  return option !== undefined && takesValue(option) ? valuesOf(option, flag, value) : NONE;
}

/** As commander reads it: options of a command stand behind its name. */
function readLine(program: Command, words: readonly string[]): Line {
  let command = program;
  let awaiting: Option | undefined;
  let onlyOperands = false;
  const given = new Map<string, string>();
  const named: string[] = [];
  for (const word of words) {
    if (awaiting !== undefined) {
      given.set(awaiting.attributeName(), word);
      awaiting = undefined;
    } else if (!onlyOperands && word === '--') {
      onlyOperands = true;
    } else if (!onlyOperands && word.length > 1 && word.startsWith('-')) {
      awaiting = readFlags(command, word, given);
    } else {
      const isCommand = command === program && named.length === 0;
      const found = isCommand ? commandsOf(program).find((one) => one.name() === word) : undefined;
      if (found === undefined) named.push(word);
      else command = found;
    }
  }
  return { command, operands: named, given, awaiting, onlyOperands };
}

/** Of `--flag`, `--flag=value`, `-f`, `-fvalue`, `-fgh`. Returns an option that awaits its value. */
function readFlags(command: Command, word: string, given: Map<string, string>): Option | undefined {
  const options = optionsOf(command);
  if (word.startsWith('--')) {
    const [, flag, value] = /^([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
    const option = options.find(({ long }) => long === flag);
    if (option === undefined) return undefined;
    given.set(option.attributeName(), value ?? '');
    return value === undefined && option.required ? option : undefined;
  }
  for (let at = 1; at < word.length; at += 1) {
    const option = options.find(({ short }) => short === `-${word.charAt(at)}`);
    if (option === undefined) return undefined;
    const value = takesValue(option) ? word.slice(at + 1) : '';
    given.set(option.attributeName(), value);
    if (takesValue(option)) return value === '' && option.required ? option : undefined;
  }
  return undefined;
}

function operands(program: Command, line: Line, lookup: Lookup): Suggestions {
  const { command, given, operands: named } = line;
  const argument = argumentAt(command, named.length);
  if (argument === undefined) return NONE;
  if (argument.argChoices !== undefined) return { ...NONE, words: plain(argument.argChoices) };
  switch (argument.name()) {
    case 'target': {
      const isFirst = command === program && named.length === 0;
      const commands = isFirst ? commandsOf(program).filter((one) => takesAll(one, given)) : [];
      return { ...NONE, words: [...commandWords(commands), ...targets(line, lookup)] };
    }
    case 'cleanup-id':
      return { ...NONE, words: lookup.runs(given.get('stateDir')) };
    case 'command':
      return { ...NONE, words: commandWords(commandsOf(program)) };
    default:
      return NONE;
  }
}

function argumentAt({ registeredArguments }: Command, index: number): Argument | undefined {
  const last = registeredArguments.at(-1);
  return registeredArguments[index] ?? (last?.variadic === true ? last : undefined);
}

function targets({ operands: named, given }: Line, lookup: Lookup): readonly Word[] {
  if (named.includes('all')) return [];
  const services = lookup.services(given.get('config'));
  const all = { value: 'all', description: 'every service of the config' };
  return [...(named.length === 0 ? [all] : []), ...services].filter(
    ({ value }) => !named.includes(value),
  );
}

/** `media-cleanup --yes stats` is refused: a command is offered behind flags that it knows. */
function takesAll(command: Command, given: ReadonlyMap<string, string>): boolean {
  const known = optionsOf(command).map((option) => option.attributeName());
  return [...given.keys()].every((name) => known.includes(name));
}

/** A short flag is offered when it stands there already, so that a space follows. */
function flags({ command, given }: Line, current: string): readonly Word[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .filter((option) => !given.has(option.attributeName()))
    .flatMap(({ long, short, description }) => {
      const names = [short === current ? short : undefined, long ?? short];
      return names.filter((name) => name !== undefined).map((value) => ({ value, description }));
    });
}

function valuesOf(option: Option, kept: string, current: string): Suggestions {
  if (option.argChoices !== undefined) return { ...NONE, kept, words: plain(option.argChoices) };
  const [, placeholder] = /[<[](\w+)/.exec(option.flags) ?? [];
  switch (placeholder) {
    case 'file':
    case 'path':
      return { ...NONE, kind: 'files', kept };
    case 'dir':
      return { ...NONE, kind: 'directories', kept };
    case 'kinds': {
      const before = current.split(',').slice(0, -1);
      const left = KINDS.filter((kind) => !before.includes(kind));
      const list = before.map((word) => `${word},`).join('');
      return { ...NONE, kept: `${kept}${list}`, words: plain(left), isList: left.length > 1 };
    }
    default:
      return NONE;
  }
}

function takesValue(option: Option): boolean {
  return option.required || option.optional;
}

/** Hidden ones too, to read them; `--help` is in none of commander's lists but that of the help. */
function optionsOf(command: Command): readonly Option[] {
  return [...new Set([...command.options, ...command.createHelp().visibleOptions(command)])];
}

function commandsOf(program: Command): readonly Command[] {
  return program.createHelp().visibleCommands(program);
}

function commandWords(commands: readonly Command[]): readonly Word[] {
  return commands.map((command) => ({ value: command.name(), description: command.description() }));
}

function plain(values: readonly string[]): readonly Word[] {
  return values.map((value) => ({ value, description: '' }));
}
