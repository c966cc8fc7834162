import { findConfigFile } from '../config/find.ts';
import { loadConfig } from '../config/load.ts';
import { CannotStart } from '../errors.ts';
import { errorLine } from '../report/failures.ts';
import type { Observer } from '../report/observer.ts';
import { plannedReport } from '../report/planned.ts';
import { finishedStatus, isTotal, reportMessage } from '../report/totals.ts';
import type { Kind, ServiceCensus, ServiceReport, WipeReport } from '../report/types.ts';
import { cleanupId } from '../runs/cleanup-id.ts';
import { enforceCaps, isCapped } from './limits.ts';
import { inspectForPlan } from './inspect-for-plan.ts';
import { guardTargets } from './guard-targets.ts';
import { refreshLink } from './links.ts';
import { closeServices, openServices } from './open-services.ts';
import type { OpenService } from './open-services.ts';
import type { WipeRequest } from './request.ts';
import { logWarning } from './step-log.ts';
import { enforceStrict } from './strict.ts';
import type { Surroundings } from './surroundings.ts';
import { chooseServices } from './targets.ts';
import { countLeft, verifyService } from './verify-service.ts';
import { serviceReport, startTally, wipeService } from './wipe-service.ts';

/** What the plan shows before the question. */
export interface Plan {
  readonly configFile: string;
  readonly services: readonly ServiceCensus[];
}

export interface WipeOutcome {
  readonly report: WipeReport;
  /** Present when everything was counted before the first deletion. */
  readonly plan: Plan | undefined;
}

export interface WipeIo {
  readonly surroundings: Surroundings;
  readonly observer: Observer;
  /** Undefined: nobody can be asked. */
  readonly ask: ((plan: Plan) => Promise<boolean>) | undefined;
  readonly signal: AbortSignal;
}

/**
 * The whole wipe: read and check everything, look, show, ask, wipe, look again, report. Guards,
 * caps and the question end before the first deletion. With `dryRun` it ends after the look.
 * @throws CannotStart when nothing was touched.
 */
export async function wipe(request: WipeRequest, io: WipeIo): Promise<WipeOutcome> {
  const { surroundings, observer, signal } = io;
  const startedAt = new Date();
  const config = loadConfig({
    file: findConfigFile({
      flag: request.configFile,
      env: surroundings.env,
      cwd: surroundings.workingDirectory,
    }),
    env: surroundings.env,
  });
  const targets = chooseServices(config, request.targets);
  if (!request.yes && !request.dryRun && io.ask === undefined) {
    throw new CannotStart(
      'usage',
      'Nobody can be asked, since standard input is no terminal: pass --yes to wipe without a question, or --dry-run to see what would go.',
    );
  }
  const located = await guardTargets(config, targets, surroundings);
  // With nothing left that could refuse, it is said before a dead Redis makes anybody wait.
  const certain = request.yes && !request.dryRun && !request.strict && !isCapped(request.caps);
  if (certain) announceStart(request.kinds, config.file, observer);
  const services = await openServices(config.services, targets, located, request.kinds, signal);
  const run = { cleanupId: cleanupId(startedAt), kinds: request.kinds, startedAt };
  try {
    signal.throwIfAborted();
    if (request.strict) await enforceStrict(services, request.kinds, signal);
    const plan = await makePlan(request, config.file, services, observer, signal);
    if (plan !== undefined) enforceCaps(plan.services, request.caps);
    if (request.dryRun && plan !== undefined) {
      const report = plannedReport({ ...run, finishedAt: new Date() }, plan.services);
      return { report, plan };
    }
    if (!request.yes && plan !== undefined && !(await io.ask?.(plan))) {
      throw new CannotStart('declined', 'Not confirmed: nothing was touched.');
    }
    if (!request.yes) await refreshLinks(services, signal);
    if (!certain) announceStart(request.kinds, config.file, observer);
    const reports = await wipeAll(services, request, observer, signal);
    const report: WipeReport = {
      ...run,
      status: signal.aborted ? 'interrupted' : finishedStatus(reports),
      dryRun: false,
      finishedAt: new Date(),
      services: reports,
    };
    observer.log({
      level: report.status === 'completed' ? 'INFO' : 'WARNING',
      step: 'end',
      message: reportMessage(report),
    });
    return { report, plan };
  } finally {
    closeServices(services);
  }
}

async function refreshLinks(services: readonly OpenService[], signal: AbortSignal): Promise<void> {
  await Promise.all(
    services.map(async ({ redis, broker, failures }) => {
      await refreshLink(redis, failures, signal);
      if (broker !== redis) await refreshLink(broker, failures, signal);
    }),
  );
}

/** Counting costs a look at everything, so it is done only for those who will read it. */
async function makePlan(
  request: WipeRequest,
  configFile: string,
  services: readonly OpenService[],
  observer: Observer,
  signal: AbortSignal,
): Promise<Plan | undefined> {
  if (request.yes && !request.dryRun && !isCapped(request.caps)) return undefined;
  const results = request.dryRun ? 'count results' : 'without results';
  const census = await Promise.all(
    services.map(async (service) =>
      inspectForPlan(service, request.kinds, results, signal, (done, bytes) => {
        observer.progress({ service: service.config.name, step: 'inspect', done, bytes });
      }),
    ),
  );
  return { configFile, services: census };
}

function announceStart(kinds: readonly Kind[], configFile: string, observer: Observer): void {
  observer.log({
    level: 'WARNING',
    step: 'start',
    message: isTotal(kinds)
      ? '🔥 TOTAL WIPE STARTED - EVERYTHING WILL BE REMOVED!'
      : `🔥 WIPE STARTED - ALL OF THIS WILL BE REMOVED: ${kinds.join(', ')}`,
  });
  observer.log({ level: 'INFO', step: 'service', message: `Config: ${configFile}` });
}

async function wipeAll(
  services: readonly OpenService[],
  request: WipeRequest,
  observer: Observer,
  signal: AbortSignal,
): Promise<readonly ServiceReport[]> {
  const runs = services.map((service) => ({ service, tally: startTally(service) }));
  for (const { service, tally } of runs) {
    announce(service, observer);
    await untilAborted(signal, undefined, async () => {
      await wipeService(service, request.kinds, tally, observer, signal);
    });
  }
  return await Promise.all(
    runs.map(async ({ service, tally }) => {
      const verdict = await untilAborted(signal, undefined, async () =>
        verifyService(service, request.kinds, tally, observer, signal),
      );
      return serviceReport(
        service.config.name,
        tally,
        verdict ?? (await countLeft(service, request.kinds, tally)),
      );
    }),
  );
}

/** An abort ends the work and keeps what was done; anything else thrown is a bug and goes on. */
async function untilAborted<T>(
  signal: AbortSignal,
  otherwise: T,
  work: () => Promise<T>,
): Promise<T> {
  if (signal.aborted) return otherwise;
  try {
    return await work();
  } catch (error) {
    if (error === signal.reason) return otherwise;
    throw error;
  }
}

function announce(service: OpenService, observer: Observer): void {
  const { name } = service.config;
  const redis = service.redis === undefined ? [] : [`Redis ${service.redis.label}`];
  const broker =
    service.broker === undefined || service.broker === service.redis
      ? []
      : [`broker ${service.broker.label}`];
  const paths = service.directories.map(({ located }) => located.path);
  observer.log({
    level: 'INFO',
    service: name,
    step: 'service',
    message: [name, ...redis, ...broker, ...paths].join(', ').replace(', ', ': '),
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
