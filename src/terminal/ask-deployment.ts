import type { AskDeployment } from '../init/deployments.ts';
import { harmless } from '../report/printable.ts';
import { discardTypedBefore, readLine } from './prompt.ts';
import type { Terminal } from './terminal.ts';

/** Wrong answers before the first deployment is taken: something that is no operator answers. */
const MOST_TRIES = 3;

/**
 * A numbered question on stderr. Input typed before the question is discarded. Enter alone, the end
 * of input and answers that are no number take the first option, which is the deployment nearest to
 * the service.
 */
export function askDeployment(
  { stdin, stderr }: Pick<Terminal, 'stdin' | 'stderr'>,
  signal: AbortSignal,
): AskDeployment {
  return async ({ service, options }) => {
    const lines = options.map(
      ({ file, says }, index) => `  ${index + 1}  ${harmless(`${file}: ${says}`)}\n`,
    );
    stderr.write(`Several files describe ${harmless(service)}:\n${lines.join('')}`);
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      await discardTypedBefore({ input: stdin, output: stderr, signal });
      stderr.write(`Which one is to be reset? [1] `);
      const answer = await readLine(stdin, signal);
      if (answer === undefined) stderr.write('\n');
      if (answer === undefined || answer.trim() === '') return 0;
      const number = Number(answer);
      if (Number.isInteger(number) && number >= 1 && number <= options.length) return number - 1;
    }
    return 0;
  };
}
