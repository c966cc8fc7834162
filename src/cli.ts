import { Command, CommanderError, Option } from 'commander';
import {
  parseAtLeastOne,
  parseCount,
  parseDuration,
  parseKinds,
  parsePingUrl,
  parseRate,
  parseSize,
  parseSomeTime,
} from './cli-values.ts';
import { SHELLS } from './commands/request.ts';
import type { Format, Request, Shell } from './commands/request.ts';
import { CannotStart } from './errors.ts';
import {
  COMPLETION_HELP,
  DOCTOR_HELP,
  INIT_HELP,
  LOGS_HELP,
  STATS_HELP,
  STATUS_HELP,
  WIPE_HELP,
} from './help.ts';
import { KINDS } from './report/types.ts';
import type { Kind } from './report/types.ts';

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
  readonly envFile?: readonly string[];
  readonly yes?: true;
  readonly dryRun?: true;
  readonly json?: true;
  readonly format?: Format | 'markdown';
  readonly only?: readonly Kind[];
  readonly skip?: readonly Kind[];
  readonly keepModels?: true;
  readonly strict?: true;
  readonly maxFiles?: number;
  readonly maxBytes?: number;
  readonly maxJobs?: number;
  readonly cancelRunning: boolean;
  readonly restartWorkers?: true;
  readonly waitIdle?: number;
  readonly verifyFor?: number;
  readonly fix?: true;
  readonly olderThan?: number;
  readonly rate?: number;
  readonly persist?: boolean;
  readonly concurrency?: number;
  readonly detach?: true;
  readonly background?: true;
  readonly lockWait?: number;
  readonly stateDir?: string;
  readonly timeout?: number;
  readonly logFile?: string;
  readonly logFormat?: 'text' | 'json';
  readonly reportFile?: string;
  readonly metricsFile?: string;
  readonly pingUrl?: URL;
  readonly from?: string;
  readonly force?: true;
  readonly example?: true;
  readonly explain?: true;
  readonly offline?: true;
  readonly wait?: true;
  readonly follow?: true;
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
  if (!('targets' in request) || request.targets.length > 0) return { is: 'request', request };
  const { command: asked } = request;
  const command = program.commands.find((one) => one.name() === asked);
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

const DESCRIPTION =
  'Reset the services of a media stack totally: every job, every queued and\nin-flight task, every file, every model. It asks first, and reports what went\nand what is left.';

/** Everything that is known of the command line: help, man page and completion tell of it too. */
export function buildProgram(version: string, take: (request: Request) => void): Command {
  const program = new Command('media-cleanup')
    .description(DESCRIPTION)
    .usage('[options] <target...>\n       media-cleanup [command] …')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this page')
    .helpCommand('help [command]', 'print the page of a command')
    .enablePositionalOptions()
    .argument('[target...]', 'service names out of the config, or `all`')
    .addOption(configOption())
    .addOption(envFileOption())
    .option('-y, --yes', 'do not ask')
    .option('-n, --dry-run', 'show what would go, change nothing')
    .addOption(jsonOption())
    .addOption(formatOption(['table', 'json', 'markdown']))
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
      '--restart-workers',
      'tell workers that keep revoked scheduled tasks to shut down, wait until they are back',
    )
    .option(
      '--wait-idle <duration>',
      'wait for workers that cannot be interrupted, e.g. 10m; default: 10s for a slow answer',
      parseDuration,
    )
    .option('--verify-for <duration>', 'keep looking so long after the wipe', parseDuration)
    .option('--concurrency <n>', 'files removed at once; default: as many as help', parseAtLeastOne)
    .option('--rate <n>', 'jobs and queued tasks removed a second at most, e.g. 5000', parseRate)
    .option('--persist', 'ask Redis to save to disk afterwards, and wait for it')
    .option('--detach', 'check and ask, then wipe in the background; prints the id for status')
    .addOption(new Option('--background').hideHelp())
    .option('--lock-wait <duration>', 'wait so long for another run to end', parseDuration)
    .addOption(stateOption())
    .option(
      '--timeout <duration>',
      'stop cleanly after so long, with a partial report',
      parseSomeTime,
    )
    .option('--log-file <file>', 'append the log lines to it')
    .addOption(new Option('--log-format <format>', 'of the log lines').choices(['text', 'json']))
    .option('--report-file <file>', 'write the report to it (JSON, or as --format says)')
    .option('--metrics-file <file>', 'write metrics for Prometheus to it (textfile collector)')
    .option(
      '--ping-url <url>',
      'tell this URL of start and end (healthchecks.io protocol)',
      parsePingUrl,
    )
    .addOption(
      new Option('-q, --quiet', 'silent when all went well, the whole report when not').conflicts(
        'verbose',
      ),
    )
    .option('-v, --verbose', 'a log line for every item')
    .option('--no-color', 'no colours (also NO_COLOR)')
    .addHelpText('after', WIPE_HELP)
    .action((targets: readonly string[], flags: Flags) => {
      take(wipeRequest(targets, flags));
    });
  addStats(program, take);
  addDoctor(program, take);
  addInit(program, take);
  addStatus(program, take);
  addLogs(program, take);
  addCompletion(program, take);
  return program;
}

/** @throws CannotStart('usage') for flags that exclude each other. */
function wipeRequest(targets: readonly string[], flags: Flags): Request {
  if (flags.detach === true && flags.dryRun === true) {
    throw new CannotStart('usage', '--detach and --dry-run exclude each other.');
  }
  if (flags.restartWorkers === true && !flags.cancelRunning) {
    throw new CannotStart('usage', '--restart-workers and --no-cancel-running exclude each other.');
  }
  const kinds = kindsOf(flags);
  if (flags.restartWorkers === true && !kinds.includes('queue')) {
    throw new CannotStart('usage', '--restart-workers is for the kind queue, which is left out.');
  }
  return {
    command: 'wipe',
    targets,
    configFile: flags.config,
    envFiles: flags.envFile ?? [],
    format: formatOf(flags),
    yes: flags.yes ?? false,
    dryRun: flags.dryRun ?? false,
    kinds,
    strict: flags.strict ?? false,
    caps: { files: flags.maxFiles, bytes: flags.maxBytes, jobs: flags.maxJobs },
    cancelRunning: flags.cancelRunning,
    restartWorkers: flags.restartWorkers ?? false,
    waitIdle: flags.waitIdle,
    verifyFor: flags.verifyFor ?? 0,
    olderThan: flags.olderThan,
    concurrency: flags.concurrency,
    rate: flags.rate,
    persist: flags.persist ?? false,
    // What goes on in the background has the same words as what started it.
    detach: flags.detach === true && flags.background !== true,
    background: flags.background ?? false,
    lockWait: flags.lockWait ?? 0,
    stateDirectory: flags.stateDir,
    timeout: flags.timeout,
    outputs: {
      logFile: flags.logFile,
      logFormat: flags.logFormat,
      reportFile: flags.reportFile,
      metricsFile: flags.metricsFile,
      pingUrl: flags.pingUrl,
    },
    quiet: flags.quiet ?? false,
    verbose: flags.verbose ?? false,
    color: flags.color,
  };
}

function addInit(program: Command, take: (request: Request) => void): void {
  program
    .command('init')
    .description('Write a config, from compose and .env files where there are any.')
    .usage('[options]')
    .helpOption('-h, --help', 'print this page')
    .option('-c, --config <file>', 'where to write it (default: ./cleanup.config.json)')
    .option('--from <path>', 'a compose file or a folder to read (default: this folder)')
    .addOption(envFileOption())
    .option('--force', 'overwrite a config that is there')
    .option('-n, --dry-run', 'print it, write nothing')
    .option('--explain', 'show the file and line that each value comes from')
    .option('--offline', 'do not ask Redis for prefixes, queues and workers')
    .option('--example', 'write the shipped example when nothing is found')
    .addOption(jsonOption())
    .addOption(formatOption(['table', 'json']))
    .option('--no-color', 'no colours (also NO_COLOR)')
    .addHelpText('after', INIT_HELP)
    .action((flags: Flags, command: Command) => {
      const { configFile, envFiles, format, color } = commonOf(program, flags, command);
      const dryRun = flags.dryRun ?? program.opts<Flags>().dryRun ?? false;
      const { from, force = false, example = false, explain = false, offline = false } = flags;
      const what = { file: configFile, from, envFiles, force, example, explain, offline };
      take({ command: 'init', ...what, dryRun, format, color });
    });
}

function addStatus(program: Command, take: (request: Request) => void): void {
  program
    .command('status')
    .description('Show the runs so far, or the state and the report of one.')
    .usage('[options] [cleanup-id]')
    .helpOption('-h, --help', 'print this page')
    .argument('[cleanup-id]', 'of one run; default: a list of all')
    .option('--wait', 'wait until the run has ended (default: the newest), exit with its code')
    .addOption(stateOption())
    .addOption(jsonOption())
    .addOption(formatOption(['table', 'json']))
    .option('--no-color', 'no colours (also NO_COLOR)')
    .addHelpText('after', STATUS_HELP)
    .action((cleanupId: string | undefined, flags: Flags, command: Command) => {
      const of = runOf(program, flags, command);
      take({ command: 'status', cleanupId, ...of, wait: flags.wait ?? false });
    });
}

function addLogs(program: Command, take: (request: Request) => void): void {
  program
    .command('logs')
    .description("Show a run's log.")
    .usage('[options] [cleanup-id]')
    .helpOption('-h, --help', 'print this page')
    .argument('[cleanup-id]', 'of one run; default: the newest')
    .option('-f, --follow', 'go on until the run has ended')
    .addOption(stateOption())
    .option('--json', 'one JSON object a line')
    .addOption(formatOption(['table', 'json']).hideHelp())
    .option('--no-color', 'no colours (also NO_COLOR)')
    .addHelpText('after', LOGS_HELP)
    .action((cleanupId: string | undefined, flags: Flags, command: Command) => {
      const of = runOf(program, flags, command);
      take({ command: 'logs', cleanupId, ...of, follow: flags.follow ?? false });
    });
}

function runOf(program: Command, flags: Flags, command: Command) {
  const { format, color } = commonOf(program, flags, command);
  return { stateDirectory: flags.stateDir ?? program.opts<Flags>().stateDir, format, color };
}

function addCompletion(program: Command, take: (request: Request) => void): void {
  program
    .command('completion')
    .description('Print the script that completes commands, flags and service names.')
    .usage('<shell>')
    .helpOption('-h, --help', 'print this page')
    .addArgument(program.createArgument('<shell>', 'your shell').choices(SHELLS))
    .addHelpText('after', COMPLETION_HELP)
    .action((shell: Shell, _: Flags, command: Command) => {
      rejectWipeFlags(program, command);
      take({ command: 'completion', shell });
    });
  // No service can be called so: names begin with a letter or a digit.
  program
    .command('__complete', { hidden: true })
    .addArgument(program.createArgument('<shell>').choices(SHELLS))
    .argument('[words...]')
    .action((shell: Shell, words: readonly string[]) => {
      take({ command: 'suggest', shell, words });
    });
}

function addDoctor(program: Command, take: (request: Request) => void): void {
  program
    .command('doctor')
    .description(
      'Look whether all is well: config, connections, queues, workers, held consumers and directories. Changes nothing, but for --fix.',
    )
    .usage('[options] [target...]')
    .helpOption('-h, --help', 'print this page')
    .argument('[target...]', 'service names out of the config; default: all')
    .addOption(configOption())
    .addOption(envFileOption())
    .addOption(jsonOption())
    .addOption(formatOption(['table', 'json']))
    .option(
      '--fix',
      'tell held consumers to consume again; remove orphaned reply lists of remote control',
    )
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
    .addOption(envFileOption())
    .addOption(jsonOption())
    .addOption(formatOption(['table', 'json']))
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
): {
  readonly configFile: string | undefined;
  readonly envFiles: readonly string[];
  readonly format: Format;
  readonly verbose: boolean;
  readonly color: boolean;
} {
  rejectWipeFlags(program, command);
  const outer: Flags = program.opts();
  const format = formatOf(flags.json || flags.format ? flags : outer);
  if (format === 'markdown') {
    throw new CannotStart('usage', `--format markdown is not for ${command.name()}.`);
  }
  return {
    configFile: flags.config ?? outer.config,
    envFiles: [...(outer.envFile ?? []), ...(flags.envFile ?? [])],
    format,
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

/** May be given several times. */
function envFileOption(): Option {
  return new Option(
    '--env-file <file>',
    'take variables of the config from it too; several files must agree on them',
  ).argParser((file: string, earlier: readonly string[] | undefined) => [...(earlier ?? []), file]);
}

function jsonOption(): Option {
  return new Option('--json', 'one JSON document on standard output, nothing else');
}

function formatOption(formats: readonly string[]): Option {
  return new Option('--format <format>', 'of the report').choices(formats);
}

function stateOption(): Option {
  return new Option('--state-dir <dir>', 'where runs and locks are kept');
}

function kindsOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser(parseKinds);
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

function formatOf(flags: Flags): Format | 'markdown' {
  if (flags.json === true && flags.format !== undefined && flags.format !== 'json') {
    throw new CannotStart('usage', `--json and --format ${flags.format} exclude each other.`);
  }
  return flags.json === true ? 'json' : (flags.format ?? 'table');
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
