import { setTimeout as sleep } from 'node:timers/promises';

/** Resolves when the condition holds. @throws Error that names what was waited for. */
export async function until(
  what: string,
  condition: () => boolean,
  { within = 60_000, every = 10 }: { readonly within?: number; readonly every?: number } = {},
): Promise<void> {
  for (const end = Date.now() + within; !condition();) {
    if (Date.now() > end) throw new Error(`not within ${within / 1000} s: ${what}`);
    await sleep(every);
  }
}
