import { join } from 'node:path';
import { findConfigFile } from '../config/find.ts';
import { loadConfig } from '../config/load.ts';
import { CannotStart } from '../errors.ts';
import { createFileWorkers } from '../files/file-workers.ts';
import type { HeldFile } from '../files/held-open.ts';
import { createLinkLedger } from '../files/link-ledger.ts';
import { createPace, FULL_PACE } from '../redis/pace.ts';
import { expectedOf } from '../report/expected.ts';
import { errorLine } from '../report/failures.ts';
import type { Observer } from '../report/observer.ts';
import { plannedReport } from '../report/planned.ts';
import { finishedStatus, isTotal, reportMessage } from '../report/totals.ts';
import type {
  FileSystemReport,
  Kind,
  RedisServerReport,
  ServiceCensus,
  ServiceReport,
  WipeReport,
} from '../report/types.ts';
import { settleAll } from '../settle-all.ts';
import { cleanupId } from '../runs/cleanup-id.ts';
import { reportStragglers } from './catch-up.ts';
import { createCrew } from './crew.ts';
import { compareSpace, measureSpace } from './file-systems.ts';
import { findHeld, heldBefore, noteHeldOpen } from './held-open.ts';
import { holdConsumers } from './hold-consumers.ts';
import { compareServers, measureServers, persistServers } from './redis-servers.ts';
import type { MeasuredServers } from './redis-servers.ts';
import { resumeConsumers } from './resume-consumers.ts';
import { enforceCaps, isCapped } from './limits.ts';
import { inspectForPlan } from './inspect-for-plan.ts';
import { guardTargets } from './guard-targets.ts';
import { refreshLink, refuseReplicas } from './links.ts';
import { closeServices, openServices } from './open-services.ts';
import type { OpenService } from './open-services.ts';
import type { WipeRequest } from './request.ts';
import { logWarning } from './step-log.ts';
import { enforceStrict } from './strict.ts';
import type { Surroundings } from './surroundings.ts';
import { chooseServices } from './targets.ts';
import { countLeft, proveService } from './verify-service.ts';
import type { Verdict } from './verify-service.ts';
import { startStep, startTally } from './step.ts';
import { serviceReport, wipeService } from './wipe-service.ts';

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
  readonly holds: Holds;
}

/** How many consumers wait for us to tell them to go on: whoever ends the process must know. */
export interface Holds {
  count: number;
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
  const before =
    request.olderThan === undefined ? undefined : startedAt.getTime() - request.olderThan;
  const services = await openServices(
    config.services,
    targets,
    located,
    request.kinds,
    signal,
    before,
  );
  refuseReplicas(services);
  const { kinds, olderThan } = request;
  const run = { cleanupId: cleanupId(startedAt), kinds, olderThan, startedAt };
  try {
    signal.throwIfAborted();
    if (request.strict) await enforceStrict(services, request.kinds, signal);
    const plan = await makePlan(request, config.file, services, observer, signal);
    if (plan !== undefined) enforceCaps(plan.services, request.caps);
    if (request.dryRun && plan !== undefined) {
      const { cancelRunning } = request;
      const finishedAt = new Date();
      const report = plannedReport({ ...run, cancelRunning, finishedAt }, plan.services);
      return { report, plan };
    }
    if (!request.yes && plan !== undefined && !(await io.ask?.(plan))) {
      throw new CannotStart('declined', 'Not confirmed: nothing was touched.');
    }
    if (plan !== undefined) observer.expect?.(expectedOf(plan.services, request.kinds));
    if (!request.yes) await refreshLinks(services, signal);
    if (!certain) announceStart(request.kinds, config.file, observer);
    const { reports, fileSystems, redisServers } = await wipeAll(services, request, io);
    const report: WipeReport = {
      ...run,
      status: signal.aborted ? 'interrupted' : finishedStatus(reports),
      dryRun: false,
      finishedAt: new Date(),
      services: reports,
      fileSystems,
      redisServers,
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

/**
 * Holds the consumers of all services before anything is removed, since one service's tasks may
 * make jobs for another; proves all of them when everything is removed; and resumes the consumers
 * in every way out.
 */
async function wipeAll(
  services: readonly OpenService[],
  request: WipeRequest,
  io: WipeIo,
): Promise<{
  readonly reports: readonly ServiceReport[];
  readonly fileSystems: readonly FileSystemReport[];
  readonly redisServers: readonly RedisServerReport[];
}> {
  const { observer, signal, holds, surroundings } = io;
  const workers = createFileWorkers({
    ...surroundings,
    program: join(surroundings.installation, 'dist/file-worker.js'),
    concurrency: request.concurrency,
    signal,
  });
  const erasing = { ledger: createLinkLedger(), workers };
  const pace = request.rate === undefined ? FULL_PACE : createPace(request.rate);
  const held = new Map<string, number>();
  const runs = services.map((service) => {
    const { name } = service.config;
    const step = startStep(service, startTally(service), observer, signal, erasing, pace);
    const crew = createCrew(step, request.cancelRunning, (count) => {
      held.set(name, count);
      holds.count = [...held.values()].reduce((sum, one) => sum + one, 0);
    });
    return { service, step, crew };
  });
  const verdicts = new Map<OpenService, Verdict>();
  const space = measureSpace(services);
  let before: ReadonlySet<string> = new Set();
  let servers: MeasuredServers = [];
  let heldFiles: readonly HeldFile[] | undefined;
  try {
    for (const { service } of runs) announce(service, observer);
    await untilAborted(signal, async () => {
      servers = await measureServers(runs.map(({ step }) => step));
      if (request.kinds.includes('queue')) {
        await settleAll(runs.map(async ({ crew }) => holdConsumers(crew, request.waitIdle)));
      }
      before = await heldBefore(services, signal);
      for (const { step } of runs) await wipeService(step, request.kinds);
      // While the look waits for the dust to settle.
      const looking = findHeld(runs.map(({ step }) => step)).then((files) => {
        heldFiles = files;
      });
      await settleAll([
        looking,
        ...runs.map(async ({ service, step, crew }) => {
          verdicts.set(service, await proveService(step, crew, request.kinds, request.verifyFor));
        }),
      ]);
    });
  } finally {
    workers?.close();
    await Promise.all(runs.map(async ({ crew }) => resumeConsumers(crew)));
  }
  let redisServers: readonly RedisServerReport[] = [];
  await untilAborted(signal, async () => {
    if (request.persist) await persistServers(servers, signal);
    redisServers = await compareServers(servers, signal);
  });
  // Interrupted: who may write again is told all the same.
  for (const { service, crew } of runs) if (!verdicts.has(service)) await reportStragglers(crew);
  const steps = runs.map(({ step }) => step);
  if ((workers?.lost() ?? 0) > 0) {
    steps[0]?.warn(
      'a process that helped to remove files was ended by something: counts may be too low',
    );
  }
  // What a second pass removed may be held as well; an interrupted run has not looked yet.
  if (heldFiles === undefined || steps.some(({ tally }) => tally.pass > 1)) {
    heldFiles = (await findHeld(steps)) ?? [];
  }
  noteHeldOpen(steps, before, heldFiles);
  const directories = runs.flatMap(({ step }) => step.tally.directories);
  const reports = await Promise.all(
    runs.map(async ({ service, step: { tally } }) =>
      serviceReport(
        service.config.name,
        tally,
        verdicts.get(service) ?? (await countLeft(service, request.kinds, tally)),
      ),
    ),
  );
  return { reports, fileSystems: compareSpace(space, directories), redisServers };
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
