import { join } from 'node:path';
import { createFileWorkers } from '../files/file-workers.ts';
import type { HeldOpen } from '../files/held-open.ts';
import { createPace, FULL_PACE } from '../redis/pace.ts';
import { errorLine } from '../report/failures.ts';
import type { Observer } from '../report/observer.ts';
import type { ServiceCensus, WipeReport } from '../report/types.ts';
import { reportStragglers } from './catch-up.ts';
import { createCrew } from './crew.ts';
import { compareSpace, measureSpace } from './file-systems.ts';
import { NOTHING_HELD, findHeld, heldBefore, noteHeldOpen } from './held-open.ts';
import { linksOf } from './links.ts';
import type { OpenService } from './open-services.ts';
import { compareServers, measureServers, persistServers } from './redis-servers.ts';
import type { MeasuredServers } from './redis-servers.ts';
import type { WipeRequest } from './request.ts';
import { wipeServices } from '../wipe/wipe-services.ts';
import type { ServiceRun } from '../wipe/wipe-services.ts';
import { resumeConsumers } from './resume-consumers.ts';
import { leftText } from '../wipe/left-text.ts';
import { removedBy } from './standing.ts';
import { logWarning } from './step-log.ts';
import { startErasing, startStep, startTally } from './step.ts';
import type { StepContext } from './step.ts';
import { countLeft } from './verify-service.ts';
import type { Verdict } from './verify-service.ts';
import { serviceReport } from './wipe-service.ts';
import type { WipeIo } from './wipe.ts';

/**
 * Holds the consumers, removes and proves (`wipeServices`), and resumes the consumers in every way
 * out.
 * @param planned what was there before, where it was counted.
 */
export async function wipeAll(
  services: readonly OpenService[],
  request: WipeRequest,
  io: Pick<WipeIo, 'observer' | 'signal' | 'standing' | 'surroundings'>,
  planned: readonly ServiceCensus[] | undefined,
): Promise<Pick<WipeReport, 'services' | 'fileSystems' | 'redisServers'>> {
  const { observer, signal, standing, surroundings } = io;
  const workers = createFileWorkers({
    ...surroundings,
    program: join(surroundings.installation, 'dist/file-worker.cjs'),
    concurrency: request.concurrency,
    signal,
  });
  const erasing = startErasing(workers);
  const pace = request.rate === undefined ? FULL_PACE : createPace(request.rate);
  const held = new Map<string, number>();
  const runs = services.map((service) => {
    const { name } = service.config;
    const step = startStep(service, startTally(service), observer, signal, erasing, pace);
    const crew = createCrew(step, request, (count) => {
      held.set(name, count);
      standing.held = [...held.values()].reduce((sum, one) => sum + one, 0);
    });
    return { service, step, crew };
  });
  const all = runs.map(({ step }) => step);
  observer.watch?.(() => removedBy(all));
  const verdicts = new Map<OpenService, Verdict>();
  const isVerified = ({ service }: StepContext): boolean =>
    verdicts.get(service)?.verified === true;
  standing.left = () => leftText(all, { kinds: request.kinds, counted: planned, isVerified });
  const space = measureSpace(services);
  let before: ReadonlySet<string> = new Set();
  let servers: MeasuredServers = [];
  let heldOpen: HeldOpen | undefined;
  try {
    for (const { service } of runs) announce(service, observer);
    await untilAborted(signal, async () => {
      const measuring = measureServers(all);
      before = await heldBefore(services, signal);
      await wipeServices(runs, request, measuring, signal, {
        proven: ({ service }, verdict) => {
          verdicts.set(service, verdict);
        },
        // While the look waits for the dust to settle.
        async removed() {
          heldOpen = await findHeld(all, before);
        },
      });
      servers = await measuring.servers;
    });
  } finally {
    workers?.close();
    await Promise.all(runs.map(async ({ crew }) => resumeConsumers(crew)));
  }
  let redisServers: WipeReport['redisServers'] = [];
  await untilAborted(signal, async () => {
    if (request.persist) await persistServers(servers, signal);
    redisServers = await compareServers(servers, signal);
  });
  // Interrupted: who may write again is told all the same.
  for (const { service, crew } of runs) if (!verdicts.has(service)) reportStragglers(crew);
  if ((workers?.lost() ?? 0) > 0) {
    all[0]?.warn(
      'a process that helped to remove files was ended by something: counts may be too low',
    );
  }
  // What a second pass removed may be held as well; an interrupted run has not looked yet.
  if (heldOpen === undefined || all.some(({ tally }) => tally.pass > 1)) {
    heldOpen = (await findHeld(all, before)) ?? NOTHING_HELD;
  }
  const { files, unseen } = heldOpen;
  noteHeldOpen(all, before, files);
  const directories = runs.flatMap(({ step }) => step.tally.directories);
  const reports = await reportAll(runs, request, verdicts, planned);
  return { services: reports, fileSystems: compareSpace(space, directories, unseen), redisServers };
}

/** A service without a verdict was not looked at again: then what is left is counted now. */
async function reportAll(
  runs: readonly ServiceRun[],
  { kinds }: WipeRequest,
  verdicts: ReadonlyMap<OpenService, Verdict>,
  planned: readonly ServiceCensus[] | undefined,
): Promise<WipeReport['services']> {
  return Promise.all(
    runs.map(async ({ service, step: { tally } }) => {
      const counted = planned?.find(({ name }) => name === service.config.name);
      const verdict = verdicts.get(service) ?? (await countLeft(service, kinds, tally, counted));
      return serviceReport(service.config, tally, verdict, kinds);
    }),
  );
}

/** An abort ends the work and keeps what was done; anything else thrown is a bug and goes on. */
async function untilAborted(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  try {
    signal.throwIfAborted();
    await work();
  } catch (error) {
    if (error !== signal.reason) throw error;
  }
}

function announce(service: OpenService, observer: Observer): void {
  const { name } = service.config;
  const redis = service.redis === undefined ? [] : [`Redis ${service.redis.label}`];
  const broker =
    service.broker === undefined || service.broker === service.redis
      ? []
      : [`broker ${service.broker.label}`];
  const results = linksOf(service)
    .filter((link) => link !== service.redis && link !== service.broker)
    .map(({ label }) => `results ${label}`);
  const paths = service.directories.map(({ located }) => located.path);
  observer.log({
    level: 'INFO',
    service: name,
    step: 'service',
    message: [name, ...redis, ...broker, ...results, ...paths].join(', ').replace(', ', ': '),
  });
  for (const failure of service.failures) {
    observer.log({
      level: 'ERROR',
      service: name,
      step: 'open',
      message: errorLine(failure),
    });
  }
  for (const one of service.warnings) logWarning(name, one, observer);
}
