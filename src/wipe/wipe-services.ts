import type { Crew } from '../commands/crew.ts';
import type { OpenService } from '../commands/open-services.ts';
import type { Measuring } from '../commands/redis-servers.ts';
import type { WipeRequest } from '../commands/request.ts';
import type { StepContext } from '../commands/step.ts';
import { proveService } from '../commands/verify-service.ts';
import type { Verdict } from '../commands/verify-service.ts';
import { beginPass, PLACES, wipePlace } from '../commands/wipe-service.ts';
import type { Place } from '../commands/wipe-service.ts';
import { settleAll } from '../settle-all.ts';
import { isKeptByMemory } from './full-redis.ts';
import { holdAll } from './hold-all.ts';
import type { Holds } from './hold-all.ts';
import { orderLogs } from './log-order.ts';
import type { Part } from './log-order.ts';

/** The part of one service in a wipe. */
export interface ServiceRun {
  readonly service: OpenService;
  readonly step: StepContext;
  readonly crew: Crew;
}

/**
 * Holds consumers, removes and proves. Services do not wait for each other, nor a service's files for
 * its Redis, but for two things: nothing is removed while consumers are being held, as long as that
 * is worth waiting for (see `Holds`), and what was proven before all holds have ended is proven
 * again, since a task of one service may make a job for another.
 * @param told `proven` of each service, `removed` once when the first pass over all is through.
 * @throws the signal's reason.
 */
export async function wipeServices(
  runs: readonly ServiceRun[],
  request: WipeRequest,
  measuring: Measuring,
  signal: AbortSignal,
  told: {
    readonly proven: (run: ServiceRun, verdict: Verdict) => void;
    readonly removed: () => Promise<void>;
  },
): Promise<void> {
  const { kinds } = request;
  const holding = kinds.includes('queue') ? runs.map(({ crew }) => crew) : [];
  const holds = holdAll(
    holding,
    { waitIdle: request.waitIdle ?? 0, restart: request.restartWorkers },
    signal,
  );
  const [first] = runs;
  const part = orderLogs(first?.step.observer ?? NOBODY);
  const logs = runs.map(() => ({ redis: part(), files: part() }));
  const proofs = runs.map(part);
  const removing = runs.map(async (run, index) =>
    removeService(run, kinds, { holds, measuring }, logs[index] as Record<Place, Part>),
  );
  await settleAll([
    settleAll(removing).then(told.removed),
    ...runs.map(async (run, index) => {
      const { observer, end } = proofs[index] as Part;
      try {
        await removing[index];
        // What the others remove may make room for what could not be asked here.
        if (isKeptByMemory(run.crew)) await Promise.allSettled(removing);
        const step = { ...run.step, observer };
        const prove = async (): Promise<void> => {
          told.proven(run, await proveService(step, run.crew, kinds, request.verifyFor));
        };
        await holds.settled();
        const isEarly = !holds.areOver();
        await prove();
        if (!isEarly) return;
        await holds.all;
        await prove();
      } finally {
        end();
      }
    }),
  ]);
}

const NOBODY = { log: () => undefined, progress: () => undefined };

/** The first pass over one service, Redis and files at once. @throws the signal's reason. */
async function removeService(
  { step, crew }: ServiceRun,
  kinds: WipeRequest['kinds'],
  { holds, measuring }: { readonly holds: Holds; readonly measuring: Measuring },
  logs: Readonly<Record<Place, Part>>,
): Promise<void> {
  const ready = {
    redis: async (): Promise<void> => {
      await Promise.all([holds.own(crew), holds.quiet(crew), measuring.done(step)]);
    },
    files: async (): Promise<void> => holds.quiet(crew),
  };
  let begun: Promise<void> | undefined;
  await settleAll(
    PLACES.map(async (place) => {
      const { observer, end } = logs[place];
      try {
        await ready[place]();
        await (begun ??= beginPass(step));
        await wipePlace({ ...step, observer }, place, kinds);
      } finally {
        end();
      }
    }),
  );
}
