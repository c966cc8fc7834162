import { init } from '../commands/init.ts';
import type { InitRequest } from '../commands/request.ts';
import type { Surroundings } from '../commands/surroundings.ts';
import { EXIT_CODE } from '../errors.ts';
import { initJson, initText } from '../report/init-text.ts';
import { jsonText } from '../report/json.ts';
import { styleFor } from './terminal.ts';
import type { Terminal } from './terminal.ts';

/** With `--dry-run` stdout is the config alone, so that it can be redirected. @throws CannotStart. */
export async function runInit(
  request: InitRequest,
  terminal: Terminal,
  surroundings: Surroundings,
): Promise<number> {
  const outcome = await init(request, surroundings);
  if (request.format === 'json') {
    terminal.stdout.write(jsonText(initJson(outcome)));
    return EXIT_CODE.done;
  }
  const stream = request.dryRun ? 'stderr' : 'stdout';
  if (request.dryRun) terminal.stdout.write(outcome.text);
  terminal[stream].write(initText(outcome, await styleFor(terminal, stream, !request.color)));
  return EXIT_CODE.done;
}
