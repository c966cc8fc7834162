import { readClients } from '../celery/clients.ts';
import { refusable, silentNames, twinsOf } from '../celery/look.ts';
import type { Enquiry } from '../celery/workers.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { RedisError } from '../redis/errors.ts';
import { hasOwn, databaseOf } from '../commands/look-at-workers.ts';
import type { OwnWorker } from '../commands/look-at-workers.ts';
import type { Crew } from '../commands/crew.ts';
import { whoIsSilent } from '../commands/worker-warnings.ts';

/** Which of the workers that do not answer may have something of the service. */

/** Notes workers that have told everything and have nothing of the service. */
export function noteHarmless(crew: Crew, own: readonly OwnWorker[]): void {
  const { look, harmless } = crew;
  if (look?.enquiry === undefined) return;
  const listeners = look.clients?.subscribers ?? [];
  for (const { name, copies, complete } of look.enquiry.workers()) {
    const known = own.find(({ worker }) => worker.name === name);
    if (known !== undefined && hasOwn(known)) harmless.delete(name);
    // Of several by one name each would have to be seen.
    else if (look.enquiry.withScheduled && complete && copies === 1) harmless.set(name, listeners);
  }
}

/** Counts anew who does not answer and may have something of the service. @throws RedisError. */
export async function judgeSilent(crew: Crew, broker: RedisConnection): Promise<void> {
  const enquiry = crew.look?.enquiry;
  crew.silent =
    enquiry === undefined ? { count: 0, names: [] } : await silentOf(crew, broker, enquiry);
  noteMissed(crew);
}

/**
 * A worker does not say its name while it does not answer. Known ones are left out only where it
 * is certain that they are among the silent: when no other name is possible, or when every client
 * still listens that did when they answered.
 * @throws RedisError.
 */
export async function silentOf(
  crew: Crew,
  broker: RedisConnection,
  enquiry: Enquiry,
): Promise<Crew['silent']> {
  const twins = twinsOf(enquiry);
  if (enquiry.silent() + twins === 0) return { count: 0, names: [] };
  const possible =
    crew.look === undefined ? [] : await silentNames(broker, { ...crew.look, enquiry });
  // A name that answered twice is two workers, or one of those that did not answer is hidden by it.
  const silent = enquiry.silent() + Math.min(twins, possible.length);
  if (silent === 0) return { count: 0, names: [] };
  const known = knownNames(crew);
  const names = possible.filter((name) => !known.has(name));
  const left = possible.filter((name) => known.has(name));
  if (left.length === 0) return { count: silent, names };
  if (names.length === 0 && left.length >= silent) return { count: 0, names };
  const listening = await listeners(crew, broker);
  const certain = left.filter((name) => {
    const before = known.get(name) ?? [];
    return before.length > 0 && before.every((id) => listening.has(id));
  });
  return certain.length === 0
    ? { count: silent, names: possible }
    : { count: Math.max(0, silent - certain.length), names };
}

/** Harmless ones, and those that count as busy already. */
function knownNames({ look, harmless, secretive, stubborn }: Crew): Crew['harmless'] {
  const listened = look?.clients?.subscribers ?? [];
  const busy = [...secretive, ...stubborn.map(({ worker }) => worker)];
  return new Map([...harmless, ...busy.map((name) => [name, listened] as const)]);
}

async function listeners(crew: Crew, broker: RedisConnection): Promise<ReadonlySet<string>> {
  const link = crew.link;
  if (link === undefined) return new Set();
  const clients = await refusable(readClients(broker, databaseOf(link.target)));
  return new Set(clients instanceof RedisError ? [] : clients.subscribers);
}

/** Those that did not answer, or not everything; names where they are known. */
export function missingWorkers({ silent, secretive }: Crew): {
  readonly count: number;
  readonly names: readonly string[];
} {
  const hidden = silent.count > 0 ? [whoIsSilent(silent.names, silent.count)] : [];
  return { count: silent.count + secretive.length, names: [...secretive, ...hidden] };
}

/** Notes since when workers are missed, after each judgement of the answers. */
function noteMissed(crew: Crew): void {
  if (missingWorkers(crew).count === 0) crew.missedAt = undefined;
  else crew.missedAt ??= performance.now();
}
