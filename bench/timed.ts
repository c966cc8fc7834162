import { readFile } from 'node:fs/promises';
import { startConfined, type Running } from '../test/support/confine.ts';

export interface Timed {
  /** Wall time of the command from start to end, without what confines it. */
  readonly milliseconds: number;
  readonly stdout: string;
}

export interface RunningTimed {
  /** The shell that takes the time; the command is its child. */
  readonly clock: Running;
  /** Rejects with the command's output when it does not exit 0. */
  readonly timed: Promise<Timed>;
}

/** bash's clock, read around the command inside the confinement. */
const CLOCK = 'start=$EPOCHREALTIME; "$@" >&3; code=$?; echo "$start $EPOCHREALTIME"; exit $code';

/**
 * Runs a command that can change nothing outside the folder, and takes its time.
 * @throws Error with its output when it does not exit 0.
 */
export async function timed(
  command: readonly string[],
  folder: string,
  env: Readonly<Record<string, string>>,
): Promise<Timed> {
  return await startTimed(command, folder, env).timed;
}

/** As `timed`, for a command that is looked at while it runs. */
export function startTimed(
  command: readonly string[],
  folder: string,
  env: Readonly<Record<string, string>>,
): RunningTimed {
  const output = `${folder}/stdout`;
  const script = `exec 3>"${output}"; ${CLOCK}`;
  const clock = startConfined(
    ['/bin/bash', '-c', script, 'timed', ...command],
    { folder, env: { ...env, LC_ALL: 'C.UTF-8' }, timeout: 600_000 },
    false,
  );
  return { clock, timed: outcome(clock, command, output) };
}

async function outcome(clock: Running, command: readonly string[], output: string): Promise<Timed> {
  const { code, stdout, stderr } = await clock.result;
  if (code !== 0) throw new Error(`${command.join(' ')}: exit ${code}\n${stdout}${stderr}`);
  const [start = Number.NaN, end = Number.NaN] = stdout.trim().split(' ').map(Number);
  return { milliseconds: (end - start) * 1000, stdout: await readFile(output, 'utf8') };
}
