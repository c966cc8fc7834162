import type { ServiceEntry, Source } from '../init/proposal.ts';
import { groupedNotes } from './grouped-notes.ts';
import type { InitOutcome } from './initial-config.ts';
import { nearPath } from './near-path.ts';
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

/** For the variables that no env file sets as the config needs them; relative, made by hand. */
const OWN_ENV_FILE = 'media-cleanup.env';

/** The commands to run next, in this order. They work once the variables by hand are in the file. */
export function nextSteps(outcome: InitOutcome): readonly string[] {
  const { file, envFiles, variables, workingDirectory } = outcome;
  const config = outcome.isFound ? '' : ` --config ${quoted(file)}`;
  const named = envFiles.map((path) => nearPath(path, workingDirectory));
  const isByHand = variables.some(({ envFile }) => envFile === undefined);
  const all = new Set(isByHand ? [...named, OWN_ENV_FILE] : named);
  const flags = [config, ...[...all].map((path) => ` --env-file ${quoted(path)}`)].join('');
  return [`media-cleanup doctor${flags}`, `media-cleanup all --dry-run${flags}`];
}

function quoted(path: string): string {
  return /^[\w./@%+=:,-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
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
    variables: outcome.variables.map(({ name, services, value, source, envFile }) => ({
      ...{ name, services, value, source, env_file: envFile ?? null },
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

function variableLines({ variables, workingDirectory }: InitOutcome, style: Style): string[] {
  if (variables.length === 0) return [];
  const met = variables.filter(({ envFile }) => envFile !== undefined);
  const byHand = variables.filter(({ envFile }) => envFile === undefined);
  const isEncoded = byHand.some(({ source }) => source.includes('percent-encoded'));
  const intro =
    'Passwords are not in the config: name the env files with --env-file wherever media-cleanup runs, in cron too.';
  return [
    ...wrap(intro, style.width, 0),
    ...met.flatMap(({ name, services, envFile }) =>
      wrap(
        `  ${name}: set in ${shown(nearPath(envFile ?? '', workingDirectory), style)} (${services.join(', ')})`,
        style.width,
        4,
      ),
    ),
    ...(byHand.length === 0
      ? []
      : wrap(
          `Put these into a file that only you may read, ${OWN_ENV_FILE} here (chmod 600), with the value in place of <...>:`,
          style.width,
          0,
        )),
    ...byHand.flatMap(({ name, source }) =>
      wrap(`  ${name}=<${shown(source, style)}>`, style.width, 4),
    ),
    ...(isEncoded ? wrap(PERCENT_ENCODING, style.width, 0) : []),
  ];
}

const PERCENT_ENCODING =
  'Percent-encoded: % as %25, then @ as %40, : as %3A, / as %2F, # as %23, ? as %3F, $ as %24, a space as %20.';

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
