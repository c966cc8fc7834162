import type { ServiceEntry, Source } from '../init/proposal.ts';
import { groupedNotes } from './grouped-notes.ts';
import type { InitOutcome } from './initial-config.ts';
import type { Style } from './style.ts';
import { counted, shown, wrap } from './text.ts';

/**
 * `init` for people: what was found where, what to look at, what to do next. In a dry run the file
 * itself is not in it: that is `outcome.text`.
 * @param explain with the file and line that each value comes from.
 */
export function initText(outcome: InitOutcome, style: Style, explain = false): string {
  const blocks = [
    foundLines(outcome, style),
    ...outcome.services.map((service) => [
      style.bold(shown(service.name, style)),
      ...service.from.flatMap((from) => fact('from', from, style)),
      ...entryLines(service, style),
      ...(explain ? sourceLines(service, style) : []),
    ]),
    noteLines(outcome, style),
    variableLines(outcome, style),
    problemLines(outcome, style),
    stateLines(outcome, style),
    nextLines(outcome, style),
  ];
  const text = blocks
    .filter((block) => block.length > 0)
    .map((block) => block.join('\n'))
    .join('\n\n');
  return `${text}\n`;
}

/** The commands to run next, in this order. */
export function nextSteps(outcome: InitOutcome): readonly string[] {
  const { file, envFiles, workingDirectory } = outcome;
  const config = outcome.isFound ? '' : ` --config ${quoted(file)}`;
  const flags = [
    config,
    ...envFiles.map((path) => ` --env-file ${quoted(nearPath(path, workingDirectory))}`),
  ].join('');
  return [`media-cleanup doctor${flags}`, `media-cleanup all --dry-run${flags}`];
}

function quoted(path: string): string {
  return /^[\w./@%+=:,-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

/** Relative where it lies below the working directory. */
function nearPath(path: string, workingDirectory: string): string {
  return path.startsWith(`${workingDirectory}/`) ? path.slice(workingDirectory.length + 1) : path;
}

/** `init --json`. */
export function initJson(outcome: InitOutcome) {
  return {
    version: 1,
    status: outcome.state === 'shown' ? 'planned' : 'completed',
    file: outcome.file,
    written: outcome.state !== 'shown',
    replaced: outcome.state === 'replaced',
    template: outcome.isTemplate,
    valid: outcome.problems === undefined ? null : outcome.problems.length === 0,
    config: JSON.parse(outcome.text) as unknown,
    read: outcome.read.map(({ path, kind }) => ({ path, kind })),
    services: Object.fromEntries(
      outcome.services.map(({ name, from, redis, broker, sources }) => [
        name,
        {
          from,
          redis: redis ?? null,
          broker: broker ?? null,
          sources: sources.map(({ setting, value, file, line, how }) => ({
            ...{ setting, value, file: file ?? null, line: line ?? null, how: how ?? null },
          })),
        },
      ]),
    ),
    variables: outcome.variables.map(({ name, services, value, envFile }) => ({
      ...{ name, services, value, env_file: envFile ?? null },
    })),
    env_files: outcome.envFiles,
    notes: outcome.notes.map(({ service, message }) => ({ service: service ?? null, message })),
    problems: (outcome.problems ?? []).map(({ path, message }) => ({ path, message })),
    next_steps: nextSteps(outcome),
  };
}

function foundLines(outcome: InitOutcome, style: Style): string[] {
  if (outcome.read.length === 0) {
    return wrap(
      `${style.yellow(style.symbols.warning)} no compose and no .env file found here or in services/*/`,
      style.width,
      2,
    );
  }
  const labels = { compose: 'compose', override: 'override', env: 'env file' };
  return outcome.read.flatMap(({ path, kind }) =>
    wrap(
      `${style.green(style.symbols.ok)} ${labels[kind].padEnd(8)}  ${shown(path, style)}`,
      style.width,
      4,
    ),
  );
}

function entryLines(
  service: {
    readonly redis: string | undefined;
    readonly broker: string | undefined;
    readonly entry: ServiceEntry;
  },
  style: Style,
): string[] {
  const { entry } = service;
  const paths = (kind: 'directories' | 'models'): string | undefined =>
    entry[kind]?.map((one) => (typeof one === 'string' ? one : one.path)).join(', ');
  const facts: [string, string | undefined][] = [
    ['redis', service.redis],
    ['jobs', entry.keyPrefix === undefined ? undefined : prefixText(entry.keyPrefix)],
    ['broker', service.broker],
    ['queue', entry.celery?.queues.join(', ')],
    ['root', entry.root],
    ['files', paths('directories')],
    ['models', paths('models')],
  ];
  return facts.flatMap(([name, value]) => (value === undefined ? [] : fact(name, value, style)));
}

function prefixText(prefix: string | readonly string[]): string {
  const prefixes = typeof prefix === 'string' ? [prefix] : prefix;
  return prefixes.map((one) => `${one}*`).join(', ');
}

function sourceLines({ sources }: { readonly sources: readonly Source[] }, style: Style): string[] {
  if (sources.length === 0) return [];
  return [
    style.dim('  where each value comes from'),
    ...sources.flatMap(({ setting, value, file, line, how }) => {
      const place = file === undefined ? '' : line === undefined ? file : `${file}:${line}`;
      const from = [place, how === undefined ? '' : file === undefined ? how : `(${how})`]
        .filter((text) => text !== '')
        .join(' ');
      return wrap(`    ${shown(`${setting} ${value}: ${from}`, style)}`, style.width, 6);
    }),
  ];
}

function fact(name: string, value: string, style: Style): string[] {
  return wrap(`  ${style.dim(name.padEnd(7))}  ${shown(value, style)}`, style.width, 11);
}

function noteLines({ notes }: InitOutcome, style: Style): string[] {
  return groupedNotes(notes).flatMap((text) =>
    wrap(`${style.yellow(style.symbols.warning)} ${shown(text, style)}`, style.width, 2),
  );
}

function variableLines({ variables }: InitOutcome, style: Style): string[] {
  if (variables.length === 0) return [];
  const isMet = variables.every(({ envFile }) => envFile !== undefined);
  const intro = isMet
    ? 'Passwords are not in the file. Name the env files with --env-file wherever media-cleanup runs, in cron too:'
    : 'Passwords are not in the file. Set these wherever media-cleanup runs; cron reads no .env and no profile:';
  return [
    ...wrap(intro, style.width, 0),
    ...variables.flatMap(({ name, value, services, envFile }) => {
      const from = envFile === undefined ? shown(value, style) : `set in ${shown(envFile, style)}`;
      return wrap(`  ${name}: ${from} (${services.join(', ')})`, style.width, 4);
    }),
  ];
}

function problemLines({ problems }: InitOutcome, style: Style): string[] {
  if (problems === undefined || problems.length === 0) return [];
  return [
    ...wrap(
      `${counted(problems.length, 'problem')} to mend before it can be used:`,
      style.width,
      0,
    ),
    ...problems.flatMap(({ path, message }) =>
      wrap(
        `${style.red(style.symbols.error)} ${shown(`${path}: ${message}`, style)}`,
        style.width,
        2,
      ),
    ),
  ];
}

function stateLines({ state, file }: InitOutcome, style: Style): string[] {
  const name = shown(file, style);
  const text = {
    written: `${style.green(style.symbols.ok)} wrote ${name}`,
    replaced: `${style.green(style.symbols.ok)} wrote ${name}, in place of the old one`,
    shown: `Dry run: ${name} was not written.`,
  }[state];
  return wrap(text, style.width, 2);
}

function nextLines(outcome: InitOutcome, style: Style): string[] {
  const steps = nextSteps(outcome).map((step) => shown(step, style));
  const purposes = ['connections, key prefixes, workers', 'what a wipe would remove'];
  const width = Math.max(...steps.map((step) => step.length));
  return [
    'Next:',
    ...steps.flatMap((step, index) =>
      wrap(`  ${step.padEnd(width)}   ${purposes[index] ?? ''}`, style.width, 4),
    ),
  ];
}
