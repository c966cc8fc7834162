import type { RedisConnection } from '../redis/connect.ts';
import { permitted } from '../redis/errors.ts';
import { EVENTS } from './keys.ts';
import type { BrokerKeys } from './keys.ts';

/** What a worker binds its queue of gossip with; Flower and `celery events` bind with `#`. */
const GOSSIP_KEY = Buffer.from('worker.#');

/**
 * Whether a worker may run that does not listen to remote control, where CLIENT LIST may not be read
 * and nobody listens. Certain is neither sign alone: workers that were killed leave their bindings,
 * and PUBSUB NUMPAT counts patterns of all databases.
 * Limit: a worker without gossip shows no sign. @throws RedisError.
 */
export async function showsUnseenWorker(
  broker: RedisConnection,
  names: BrokerKeys,
): Promise<boolean> {
  const [patterns, bindings] = await Promise.all([
    permitted(broker.send('PUBSUB', 'NUMPAT')),
    permitted(broker.send('SMEMBERS', names.binding(EVENTS))),
  ]);
  const isBound = (bindings ?? []).some((member) =>
    member.subarray(0, GOSSIP_KEY.length).equals(GOSSIP_KEY),
  );
  // Unknown is not zero.
  return isBound && (patterns ?? 1) > 0;
}
