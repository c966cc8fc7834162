import type { InitRequest } from '../commands/request.ts';
import type { Surroundings } from '../commands/surroundings.ts';
import { EXIT_CODE } from '../errors.ts';
import { init } from '../init/init.ts';
import { initJson, initText } from '../report/init-text.ts';
import { jsonText } from '../report/json.ts';
import { askDeployment } from './ask-deployment.ts';
import { styleFor } from './terminal.ts';
import type { Terminal } from './terminal.ts';

/** With `--dry-run` stdout is the config alone, so that it can be redirected. @throws CannotStart. */
export async function runInit(
  request: InitRequest,
  terminal: Terminal,
  surroundings: Surroundings,
  signal: AbortSignal,
): Promise<number> {
  const mayAsk = terminal.stdinIsTTY && terminal.stderrIsTTY && request.format !== 'json';
  const ask = mayAsk ? askDeployment(terminal, signal) : undefined;
  const outcome = await init(request, surroundings, { ask, signal });
  if (request.format === 'json') {
    terminal.stdout.write(jsonText(initJson(outcome)));
    return EXIT_CODE.done;
  }
  const stream = request.dryRun ? 'stderr' : 'stdout';
  if (request.dryRun) terminal.stdout.write(outcome.text);
  terminal[stream].write(
    initText(outcome, await styleFor(terminal, stream, !request.color), request.explain),
  );
  return EXIT_CODE.done;
}
