import { CannotStart } from '../errors.ts';
import { userId } from '../files/process-wide.ts';
import { whyForeign } from '../outputs/safe-place.ts';
import type { Foreign } from '../outputs/safe-place.ts';

/** Who else can change the config of root, and so what root deletes; undefined: nobody. */
export function otherAuthors(file: string): Foreign | undefined {
  return userId() === 0 ? whyForeign(file) : undefined;
}

/**
 * @returns warnings of the run.
 * @throws CannotStart('refused') with `--strict`.
 */
export function guardConfigFile(file: string, isStrict: boolean): readonly string[] {
  const found = otherAuthors(file);
  if (found === undefined) return [];
  const text = `${authorsText(found)}; ${found.remedy}`;
  if (!isStrict) return [text];
  throw new CannotStart('refused', `Refusing to start because of --strict:\n${text}`, [
    { path: file, message: text },
  ]);
}

export function authorsText({ reason }: Foreign): string {
  return `Others than root can change the config, and so what root deletes: ${reason}`;
}
