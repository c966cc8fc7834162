import { readFileSync } from 'node:fs';
import { availableParallelism, homedir, hostname } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArguments, wantsJson } from './cli.ts';
import { firstLine } from './terminal/first-line.ts';
import { leadsToJournal } from './terminal/line-format.ts';
import { journalLine } from './report/log-line.ts';
import type { Standing, StopSignal } from './commands/standing.ts';
import { CannotStart, EXIT_CODE, errorCode, errorMessage } from './errors.ts';
import { withoutMarks } from './node-words.ts';

/** The only file that reads `process`: signals become an AbortSignal, errors an exit code. */

const NO_TARGET = 'No target: name services of the config, or all.';
const RESUME_MS = 2_000;
const RELAYED_MS = 250;
const NEVER_SETTLED = 13;
const installation = dirname(dirname(fileURLToPath(import.meta.url)));
const argv = withoutMarks(process.argv.slice(2));
const interruption = new AbortController();
const output = { lost: false };
const hurried = new AbortController();
const standing: Standing = {
  held: 0,
  left: undefined,
  abandon: undefined,
  stopProgress: undefined,
};
const isJournal = leadsToJournal(2, process.env);
let interruptedBy: StopSignal | undefined;
let interruptedAt = 0;
let impatience = 0;
let toldCode: number | undefined;

for (const name of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    if (interruptedBy !== undefined) {
      // A terminal that goes may say so twice, and the shell in it once more: nobody is impatient.
      if (name === 'SIGHUP') return;
      // npx and npm relay what the terminal has sent to this process as well: one Ctrl-C, twice.
      if (name === interruptedBy && performance.now() - interruptedAt < RELAYED_MS) return;
      hurry(EXIT_CODE[name]);
      return;
    }
    interruptedBy = name;
    interruptedAt = performance.now();
    interruption.abort(
      new CannotStart('interrupted', `Interrupted by ${name} before anything was touched.`),
    );
  });
}
// A bug somewhere: consumers that are held must be told to go on all the same.
process.on('uncaughtException', (error) => {
  complain(`media-cleanup: internal error, please report it\n${stackOf(error)}\n`);
  process.exitCode = EXIT_CODE.failed;
  if (interruption.signal.aborted) return;
  interruption.abort(new CannotStart('interrupted', 'Stopped by an internal error.'));
  if (standing.held > 0) return;
  standing.abandon?.(EXIT_CODE.failed, 'Stopped by an internal error.');
  process.exit(EXIT_CODE.failed);
});
// `| head` closes the pipe: not a reason to crash in the middle of a wipe.
process.stderr.on('error', () => undefined);
process.stdout.on('error', (error: unknown) => {
  if (errorCode(error) === 'EPIPE') return;
  output.lost = true;
  complain(`media-cleanup: the report could not be written: ${errorMessage(error)}\n`);
});
// ioredis' debug output contains the arguments of AUTH.
delete process.env['DEBUG'];

// Node.js ends quietly, with 13, when what is waited for can never come.
process.on('exit', (code) => {
  if (code !== NEVER_SETTLED) return;
  complain('media-cleanup: internal error, please report it: it waited for what never came\n');
  process.exitCode = EXIT_CODE.failed;
});

const exitCode = await main();
await Promise.all([process.stdout, process.stderr].map(written));
// Not left to the event loop: a name server that does not answer would hold it for many seconds.
const failed = output.lost || process.exitCode !== undefined;
process.exit(failed && exitCode === EXIT_CODE.done ? EXIT_CODE.failed : exitCode);

/** A second signal ends it at once, but for the moment that held consumers need to be resumed. */
function hurry(code: number): void {
  impatience += 1;
  hurried.abort();
  if (standing.held === 0 || impatience > 1) endAtOnce(code);
  const started = Date.now();
  setInterval(() => {
    if (standing.held === 0 || Date.now() - started > RESUME_MS) endAtOnce(code);
  }, 20);
}

/** Says what was left, since there will be no report. */
function endAtOnce(code: number): never {
  const message = lastWords();
  if (message !== undefined) {
    standing.stopProgress?.();
    writeErrorDocument('interrupted', 'interrupted', message);
    // The terminal has echoed ^C.
    complain(`${process.stderr.isTTY ? '\n' : ''}media-cleanup: ${message}\n`);
    standing.abandon?.(code, message);
  }
  process.exit(code);
}

/** Undefined when there is nothing to say: no wipe, or one that has told of its end. */
function lastWords(): string | undefined {
  if (standing.abandon === undefined) return undefined;
  if (standing.left === undefined) return 'Ended at once, before anything was touched.';
  const held =
    standing.held === 0
      ? ''
      : ` Held consumers that were not told to go on: ${standing.held}; tell them with media-cleanup doctor --fix.`;
  return `Ended at once, without a second look. ${standing.left()}${held} Run it again to remove the rest.`;
}

/** A signal has a code of its own; but what was told once, in report and metrics, stays. */
function finalCode(code: number): number {
  toldCode ??= interruptedBy === undefined ? code : EXIT_CODE[interruptedBy];
  return toldCode;
}

async function main(): Promise<number> {
  try {
    const parsed = parseArguments(argv, version());
    if (parsed.is === 'text') {
      process[parsed.stream].write(parsed.text);
      if (parsed.exitCode !== 0) await explainAsJson(new CannotStart('usage', NO_TARGET));
      return parsed.exitCode;
    }
    const first = firstLine(parsed.request, process.stderr.isTTY, process.env['TERM']);
    if (first !== undefined) process.stderr.write(first);
    const [{ runRequest }, { passwdHomes }] = await Promise.all([
      import('./terminal/run.ts'),
      import('./files/homes.ts'),
    ]);
    const code = await runRequest(
      parsed.request,
      {
        stdin: process.stdin,
        stdout: process.stdout,
        stderr: process.stderr,
        stdinIsTTY: process.stdin.isTTY,
        stdoutIsTTY: process.stdout.isTTY,
        stderrIsTTY: process.stderr.isTTY,
        stdoutColumns: process.stdout.columns,
        stderrColumns: process.stderr.columns,
        stderrIsJournal: isJournal,
        env: process.env,
      },
      {
        env: process.env,
        workingDirectory: workingDirectory(),
        homes: [...ownHome(), ...passwdHomes()],
        installation,
        interpreter: process.execPath,
        pid: process.pid,
        host: hostname(),
        program: fileURLToPath(import.meta.url),
        argv,
        home: ownHome()[0],
        cores: availableParallelism(),
      },
      {
        signal: interruption.signal,
        interruptedBy: () => interruptedBy,
        standing,
        finalCode,
        hurry: hurried.signal,
      },
    );
    return finalCode(code);
  } catch (error) {
    return await explain(error);
  }
}

/** Resolves when all that was written is out, or cannot go out. */
async function written(stream: NodeJS.WriteStream): Promise<void> {
  await new Promise<void>((resolve) => {
    stream.write('', () => {
      resolve();
    });
  });
}

async function explain(error: unknown): Promise<number> {
  if (error instanceof CannotStart) {
    await explainAsJson(error);
    complain(`media-cleanup: ${error.message}\n`);
    if (error.stop === 'config') {
      for (const { path, message } of error.problems) complain(`  ${path}: ${message}\n`);
    }
    if (error.stop === 'usage') complain('Try: media-cleanup --help\n');
    return finalCode(error.exitCode);
  }
  writeErrorDocument('completed_with_errors', 'internal', errorMessage(error));
  // A bug: its stack is what helps to mend it.
  complain(`media-cleanup: internal error, please report it\n${stackOf(error)}\n`);
  return EXIT_CODE.failed;
}

/** Where nothing can be loaded any more. */
function writeErrorDocument(status: string, code: string, message: string): void {
  if (!wantsJson(argv)) return;
  const document = { version: 1, status, error: { code, message, problems: [] } };
  process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
}

async function explainAsJson(error: CannotStart): Promise<void> {
  if (!wantsJson(argv)) return;
  const { cannotStartJson, jsonText } = await import('./report/json.ts');
  process.stdout.write(jsonText(cannotStartJson(error)));
}

/** On stderr; the journal is told that it is an error. */
function complain(text: string): void {
  process.stderr.write(isJournal ? journalLine('ERROR', text) : text);
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function workingDirectory(): string {
  try {
    return process.cwd();
  } catch (error) {
    const message = 'The working directory was removed: change to another one and run again.';
    throw new CannotStart('usage', message, [], error);
  }
}

/** None for a user without a passwd entry and without HOME, as in some containers. */
function ownHome(): readonly string[] {
  try {
    return [homedir()];
  } catch {
    return [];
  }
}

function version(): string {
  const text = readFileSync(`${installation}/package.json`, 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}
