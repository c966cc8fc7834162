import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { CannotStart } from './errors.ts';
import { KINDS } from './report/types.ts';
import type { Kind } from './report/types.ts';
import type { Request } from './commands/request.ts';
import { DOCTOR_HELP, STATS_HELP, WIPE_HELP } from './help.ts';

/** What argv asks for: a command, or a text (help, version) and nothing else. */
export type Parsed =
  | { readonly is: 'request'; readonly request: Request }
  | {
      readonly is: 'text';
      readonly stream: 'stdout' | 'stderr';
      readonly text: string;
      readonly exitCode: number;
    };

interface Flags {
  readonly config?: string;
  readonly yes?: true;
  readonly dryRun?: true;
  readonly json?: true;
  readonly format?: 'table' | 'json';
  readonly only?: readonly Kind[];
  readonly skip?: readonly Kind[];
  readonly keepModels?: true;
  readonly strict?: true;
  readonly maxFiles?: number;
  readonly maxBytes?: number;
  readonly maxJobs?: number;
  readonly cancelRunning: boolean;
  readonly waitIdle?: number;
  readonly verifyFor?: number;
  readonly fix?: true;
  readonly olderThan?: number;
  readonly rate?: number;
  readonly persist?: boolean;
  readonly concurrency?: number;
  readonly quiet?: true;
  readonly verbose?: true;
  readonly color: boolean;
}

/**
 * argv (without node and script) as a typed request. Does no work and prints nothing.
 * @throws CannotStart('usage').
 */
export function parseArguments(argv: readonly string[], version: string): Parsed {
  let output = { stdout: '', stderr: '' };
  let request: Request | undefined;
  const program = buildProgram(version, (made) => {
    request = made;
  });
  const collect = {
    writeOut: (text: string) => {
      output = { ...output, stdout: output.stdout + text };
    },
    writeErr: (text: string) => {
      output = { ...output, stderr: output.stderr + text };
    },
  };
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput(collect);
  }
  try {
    program.parse([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) {
      return { is: 'text', stream: 'stdout', text: output.stdout, exitCode: 0 };
    }
    const message = error.message.replace(/^error: /, '');
    throw new CannotStart(
      'usage',
      `${capital(message)}${/[.?)]$/.test(message) ? '' : '.'}`,
      [],
      error,
    );
  }
  if (request === undefined) throw new Error('no command took these arguments');
  if (request.targets.length > 0 || request.command === 'doctor') {
    return { is: 'request', request };
  }
  const command = program.commands.find((one) => one.name() === request?.command);
  const text = (command ?? program).helpInformation({ error: true });
  const after = command === undefined ? WIPE_HELP : STATS_HELP;
  return { is: 'text', stream: 'stderr', text: `${text}${after}`, exitCode: 2 };
}

/** Whether errors go to stdout as JSON; told from the words, since argv may not parse. */
export function wantsJson(argv: readonly string[]): boolean {
  return argv.some(
    (word, index) =>
      word === '--json' ||
      word === '--format=json' ||
      (word === 'json' && argv[index - 1] === '--format'),
  );
}

function buildProgram(version: string, take: (request: Request) => void): Command {
  const program = new Command('media-cleanup')
    .description(
      'Reset the services of a media stack totally: every job, every queued and\nin-flight task, every file, every model. It asks first, and reports what went\nand what is left.',
    )
    .usage(
      '[options] <target...>\n       media-cleanup stats <target...>\n       media-cleanup doctor [target...]',
    )
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this page')
    .helpCommand('help [command]', 'print the page of a command')
    .enablePositionalOptions()
    .argument('[target...]', 'service names out of the config, or `all`')
    .addOption(configOption())
    .option('-y, --yes', 'do not ask')
    .option('-n, --dry-run', 'show what would go, change nothing')
    .addOption(jsonOption())
    .addOption(formatOption())
    .addOption(kindsOption('--only <kinds>', `only these, comma separated: ${KINDS.join(', ')}`))
    .addOption(kindsOption('--skip <kinds>', 'all but these'))
    .option('--keep-models', 'the same as --skip models')
    .option(
      '--older-than <duration>',
      'only files last modified and jobs created longer ago, e.g. 24h, 7d',
      parseDuration,
    )
    .option('--strict', 'touch nothing unless every target is reachable and writable')
    .option('--max-files <n>', 'touch nothing if there are more files', parseCount)
    .option('--max-bytes <size>', 'touch nothing if there is more to free, e.g. 20GB', parseSize)
    .option('--max-jobs <n>', 'touch nothing if there are more jobs', parseCount)
    .option('--cancel-running', 'kill running tasks, hold the consumers meanwhile', true)
    .option('--no-cancel-running', 'leave running tasks and consumers alone')
    .option(
      '--wait-idle <duration>',
      'wait for workers that cannot be interrupted, e.g. 10m',
      parseDuration,
    )
    .option('--verify-for <duration>', 'keep looking so long after the wipe', parseDuration)
    .option('--concurrency <n>', 'files removed at once; default: as many as help', parseAtLeastOne)
    .option('--rate <n>', 'jobs and queued tasks removed a second at most, e.g. 5000', parseRate)
    .option('--persist', 'ask Redis to save to disk afterwards, and wait for it')
    .addOption(
      new Option('-q, --quiet', 'silent when all went well, the whole report when not').conflicts(
        'verbose',
      ),
    )
    .option('-v, --verbose', 'a log line for every item')
    .option('--no-color', 'no colours (also NO_COLOR)')
    .addHelpText('after', WIPE_HELP)
    .action((targets: readonly string[], flags: Flags) => {
      take({
        command: 'wipe',
        targets,
        configFile: flags.config,
        format: formatOf(flags),
        yes: flags.yes ?? false,
        dryRun: flags.dryRun ?? false,
        kinds: kindsOf(flags),
        strict: flags.strict ?? false,
        caps: { files: flags.maxFiles, bytes: flags.maxBytes, jobs: flags.maxJobs },
        cancelRunning: flags.cancelRunning,
        waitIdle: flags.waitIdle ?? 0,
        verifyFor: flags.verifyFor ?? 0,
        olderThan: flags.olderThan,
        concurrency: flags.concurrency,
        rate: flags.rate,
        persist: flags.persist ?? false,
        quiet: flags.quiet ?? false,
        verbose: flags.verbose ?? false,
        color: flags.color,
      });
    });
  addStats(program, take);
  addDoctor(program, take);
  return program;
}

function addDoctor(program: Command, take: (request: Request) => void): void {
  program
    .command('doctor')
    .description(
      'Look whether all is well: config, connections, queues, workers and held consumers. Changes nothing, but for --fix.',
    )
    .usage('[options] [target...]')
    .helpOption('-h, --help', 'print this page')
    .argument('[target...]', 'service names out of the config; default: all')
    .addOption(configOption())
    .addOption(jsonOption())
    .addOption(formatOption())
    .option('--fix', 'tell held consumers to consume again')
    .option('--no-color', 'no colours (also NO_COLOR)')
    .addHelpText('after', DOCTOR_HELP)
    .action((targets: readonly string[], flags: Flags, command: Command) => {
      take({
        command: 'doctor',
        ...commonOf(program, flags, command),
        targets: targets.length === 0 ? ['all'] : targets,
        fix: flags.fix ?? false,
      });
    });
}

function addStats(program: Command, take: (request: Request) => void): void {
  program
    .command('stats')
    .description(
      'Show what is there now: jobs, tasks, files, models and their size. Changes nothing.',
    )
    .usage('[options] <target...>')
    .helpOption('-h, --help', 'print this page')
    .argument('[target...]', 'service names out of the config, or `all`')
    .addOption(configOption())
    .addOption(jsonOption())
    .addOption(formatOption())
    .option('--no-color', 'no colours (also NO_COLOR)')
    .addHelpText('after', STATS_HELP)
    .action((targets: readonly string[], flags: Flags, command: Command) => {
      take({ command: 'stats', ...commonOf(program, flags, command), targets });
    });
}

/** What may stand before the name of the command as well as behind it. */
function commonOf(
  program: Command,
  flags: Flags,
  command: Command,
): Pick<Request, 'configFile' | 'format' | 'verbose' | 'color'> {
  rejectWipeFlags(program, command);
  const outer: Flags = program.opts();
  return {
    configFile: flags.config ?? outer.config,
    format: formatOf(flags.json || flags.format ? flags : outer),
    verbose: false,
    color: flags.color && outer.color,
  };
}

/** `media-cleanup --yes stats all` would read as if it wiped. */
function rejectWipeFlags(program: Command, command: Command): void {
  const known = new Set(command.options.map((option) => option.attributeName()));
  for (const option of program.options) {
    const name = option.attributeName();
    if (known.has(name) || program.getOptionValueSource(name) !== 'cli') continue;
    program.error(`error: ${option.long ?? name} is not for ${command.name()}`);
  }
}

function configOption(): Option {
  return new Option('-c, --config <file>', 'the config file, instead of looking for one');
}

function jsonOption(): Option {
  return new Option('--json', 'one JSON document on standard output, nothing else');
}

function formatOption(): Option {
  return new Option('--format <format>', 'of the report').choices(['table', 'json']);
}

function kindsOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser(parseKinds);
}

/** Said twice, both count: the last one alone would remove what the first one keeps. */
function parseKinds(text: string, earlier: readonly Kind[] = []): readonly Kind[] {
  const words = text.split(',').map((word) => word.trim());
  for (const word of words) {
    if (!(KINDS as readonly string[]).includes(word)) {
      throw new InvalidArgumentError(`"${word}" is none of ${KINDS.join(', ')}.`);
    }
  }
  return [...earlier, ...(words as readonly Kind[])];
}

function kindsOf(flags: Flags): readonly Kind[] {
  const ageless: readonly Kind[] = flags.olderThan === undefined ? [] : ['queue'];
  if (flags.only?.some((kind) => ageless.includes(kind)) === true) {
    throw new CannotStart(
      'usage',
      '--older-than knows no age of queued tasks: add --only jobs,files,models, or leave it out.',
    );
  }
  const skipped = [
    ...(flags.skip ?? []),
    ...(flags.keepModels === true ? ['models'] : []),
    ...ageless,
  ];
  const kinds = KINDS.filter(
    (kind) => (flags.only ?? KINDS).includes(kind) && !skipped.includes(kind),
  );
  if (kinds.length === 0) {
    throw new CannotStart(
      'usage',
      '--only, --skip and --keep-models together leave nothing to remove.',
    );
  }
  return kinds;
}

function formatOf(flags: Flags): 'table' | 'json' {
  if (flags.json === true && flags.format !== undefined && flags.format !== 'json') {
    throw new CannotStart('usage', `--json and --format ${flags.format} exclude each other.`);
  }
  return flags.json === true ? 'json' : (flags.format ?? 'table');
}

function parseAtLeastOne(text: string): number {
  const count = parseCount(text);
  if (count < 1 || count > 1024) throw new InvalidArgumentError('It must be between 1 and 1024.');
  return count;
}

/** Keys a second of `5000` or `5000/s`. */
function parseRate(text: string): number {
  const rate = parseCount(text.replace(/\/s$/, ''));
  if (rate < 1) throw new InvalidArgumentError('It must be at least 1.');
  return rate;
}

function parseCount(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  K: 2 ** 10,
  M: 2 ** 20,
  G: 2 ** 30,
  T: 2 ** 40,
};

/** Bytes of `500`, `20GB`, `1.5G`, `512MiB`; a unit is a power of 1024, as MB is in the report. */
export function parseSize(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?$/i.exec(text) ?? [];
  const factor = unit === undefined ? undefined : UNITS[unit.toUpperCase()];
  if (number === undefined || factor === undefined) {
    throw new InvalidArgumentError('It must be a size like 500MB, 20GB or a number of bytes.');
  }
  return Math.floor(Number(number) * factor);
}

const DURATIONS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Milliseconds of `500ms`, `40s`, `10m`, `1.5h`, `7d`, `1h30m`; and of `0`. */
export function parseDuration(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])/g)];
  if (text !== '0' && (text === '' || parts.map(([part]) => part).join('') !== text)) {
    throw new InvalidArgumentError('It must be a duration like 40s, 10m, 1h30m or 7d.');
  }
  return parts.reduce(
    (sum, [, number, unit]) => sum + Number(number) * (DURATIONS[unit ?? ''] ?? 0),
    0,
  );
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
