import { resolve } from 'node:path';
import { findConfigFile } from '../config/find.ts';
import { readEnvFiles } from '../config/env-file.ts';
import { loadConfig } from '../config/load.ts';
import type { Config, ServiceConfig } from '../config/types.ts';
import { CannotStart } from '../errors.ts';
import type { OwnPlace } from '../files/guards.ts';
import { expectedOf } from '../report/expected.ts';
import type { Observer } from '../report/observer.ts';
import { plannedReport } from '../report/planned.ts';
import { finishedStatus, isTotal, reportMessage } from '../report/totals.ts';
import type { Kind, ServiceCensus, WipeReport } from '../report/types.ts';
import { cleanupId } from '../runs/cleanup-id.ts';
import { earlierRuns } from '../runs/earlier-runs.ts';
import { lockRedis } from './redis-locks.ts';
import { enforceCaps, isCapped } from './limits.ts';
import { inspectForPlan } from './inspect-for-plan.ts';
import { realPath } from '../files/real-path.ts';
import { guardTargets, judgeTargets } from './guard-targets.ts';
import type { Located } from './guard-targets.ts';
import { createPatience, lockHost } from './host-locks.ts';
import { refreshLink, refuseReplicas, linksOf } from './links.ts';
import { closeServices, openServices } from './open-services.ts';
import type { OpenService } from './open-services.ts';
import type { WipeRequest } from './request.ts';
import { keepingWarnings, lostWarnings, stoppedWarnings } from './run-warnings.ts';
import { enforceStrict } from './strict.ts';
import type { Surroundings } from './surroundings.ts';
import type { Standing } from './standing.ts';
import { chooseServices } from './targets.ts';
import { guardConfigFile } from '../wipe/config-file.ts';
import { refuseSharedDatabases } from '../wipe/refuse-shared.ts';
import { wipeAll } from './wipe-all.ts';

/** What the plan shows before the question. */
export interface Plan {
  readonly configFile: string;
  readonly services: readonly ServiceCensus[];
  /** The root of each service by its name: absolute, links resolved. */
  readonly roots: ReadonlyMap<string, string>;
}

export type WipeOutcome =
  | {
      readonly is: 'report';
      readonly report: WipeReport;
      /** Present when everything was counted before the first deletion. */
      readonly plan: Plan | undefined;
    }
  /** It goes on in another process. */
  | {
      readonly is: 'detached';
      readonly cleanupId: string;
      readonly services: readonly string[];
      /** status and logs can tell of it. */
      readonly isKept: boolean;
    };

export interface WipeIo {
  readonly surroundings: Surroundings;
  readonly observer: Observer;
  /** Undefined: nobody can be asked. */
  readonly ask: ((plan: Plan) => Promise<boolean>) | undefined;
  readonly signal: AbortSignal;
  readonly standing: Standing;
  /** Where runs and locks are kept. */
  readonly stateDirectory: string;
  /** Of the run that was checked and asked for in another process, which is this one's to do. */
  readonly handover: Handover | undefined;
  /** From now on there is a run; gives it its id and what it cannot keep. */
  readonly begin: (start: RunStart) => BegunRun;
  /** Does the run in a process of its own, whose pid `started` is told before it does anything. */
  readonly detach: (handover: Handover, started: (pid: number) => void) => Promise<void>;
}

export interface RunStart {
  readonly startedAt: Date;
  readonly configFile: string;
  readonly services: readonly string[];
}

export interface BegunRun {
  readonly cleanupId: string;
  readonly problem: string | undefined;
}

/** What a process in the background must know beside argv. */
export interface Handover {
  readonly cleanupId: string;
  /** Of the locks that are its own. */
  readonly token: string;
}

/**
 * The whole wipe: read and check everything, lock, look, show, ask, wipe, look again, report. Guards,
 * caps and the question end before the first deletion. With `dryRun` it ends after the look, with
 * `detach` before the first deletion.
 * @throws CannotStart when nothing was touched.
 */
export async function wipe(request: WipeRequest, io: WipeIo): Promise<WipeOutcome> {
  const { surroundings, observer, signal, stateDirectory } = io;
  const startedAt = new Date();
  const config = loadConfig({
    file: findConfigFile({
      flag: request.configFile,
      env: surroundings.env,
      cwd: surroundings.workingDirectory,
    }),
    ...readEnvFiles(request.envFiles, surroundings),
  });
  const targets = chooseServices(config, request.targets);
  if (!request.yes && !request.dryRun && io.ask === undefined) {
    throw new CannotStart(
      'usage',
      'Nobody can be asked, since standard input is no terminal: pass --yes to wipe without a question, or --dry-run to see what would go.',
    );
  }
  const doubts = guardConfigFile(config.file, request.strict);
  const guard = async () =>
    guardTargets(config, targets, surroundings, placesOf(request, io), signal);
  // Before the lock too: what is refused leaves no trace, not even of a run.
  let located = await guard();
  if (request.dryRun) {
    warnAll(doubts, observer);
    return await planOnly(config, targets, located, request, io, startedAt);
  }
  const patience = createPatience({ wait: request.lockWait, observer, signal });
  const token = io.handover?.token;
  const { pid } = surroundings;
  const locks = await lockHost(targets, located, { stateDirectory, pid, token, patience, signal });
  try {
    const services = targets.map(({ name }) => name);
    const begun = io.begin({ startedAt, configFile: config.file, services });
    const run = { cleanupId: begun.cleanupId, startedAt };
    locks.name(run.cleanupId);
    // Somebody may have been waited for.
    if (request.lockWait > 0) await locks.takeAgain((located = await guard()));
    const detach = async (): Promise<WipeOutcome> => {
      const { cleanupId: id } = run;
      await io.detach({ cleanupId: id, token: locks.holder.token }, locks.handOver);
      return { is: 'detached', cleanupId: id, services, isKept: begun.problem === undefined };
    };
    const problems = [...doubts, ...keepingWarnings(locks.problem, begun.problem, stateDirectory)];
    warnAll(problems, observer);
    if (request.detach && request.yes) return await detach();
    return await withServices(config, targets, located, request, io, run, async (opened) => {
      const holder = { ...locks.holder, cleanupId: run.cleanupId };
      const redisLocks = await lockRedis(opened, holder, patience, (service, warning) => {
        service.warnings.push(warning);
      });
      try {
        const plan = await confirm(request, config.file, opened, io);
        if (request.detach) {
          const outcome = await detach();
          redisLocks.handOver();
          return outcome;
        }
        const outcome = await wipeAll(opened, request, io, plan?.services);
        const lost = [...redisLocks.lost, ...(locks.isLost() ? ['this host'] : [])];
        const warnings = [...problems, ...lostWarnings(lost), ...stoppedWarnings(signal)];
        const report = finishedReport(run, outcome, request, { warnings, signal });
        tellEnd(report, observer);
        return { is: 'report', report, plan };
      } finally {
        await redisLocks.release();
      }
    });
  } finally {
    locks.release();
  }
}

function finishedReport(
  run: Pick<WipeReport, 'cleanupId' | 'startedAt'>,
  outcome: Pick<WipeReport, 'services' | 'fileSystems' | 'redisServers'>,
  { kinds, olderThan }: WipeRequest,
  end: { readonly warnings: readonly string[]; readonly signal: AbortSignal },
): WipeReport {
  return {
    ...run,
    ...outcome,
    kinds,
    olderThan,
    status: end.signal.aborted ? 'interrupted' : finishedStatus(outcome.services),
    dryRun: false,
    finishedAt: new Date(),
    warnings: end.warnings,
  };
}

function tellEnd(report: WipeReport, observer: Observer): void {
  observer.log({
    level: report.status === 'completed' ? 'INFO' : 'WARNING',
    step: 'end',
    message: reportMessage(report),
  });
}

async function planOnly(
  config: Config,
  targets: readonly ServiceConfig[],
  located: ReadonlyMap<string, Located>,
  request: WipeRequest,
  io: WipeIo,
  startedAt: Date,
): Promise<WipeOutcome> {
  const run = { cleanupId: cleanupId(startedAt), startedAt };
  return await withServices(config, targets, located, request, io, run, async (services) => {
    const plan = await planWipe(request, config.file, services, io);
    const { kinds, olderThan, cancelRunning } = request;
    const report = plannedReport(
      { ...run, kinds, olderThan, cancelRunning, finishedAt: new Date() },
      plan.services,
    );
    return { is: 'report', report, plan };
  });
}

function warnAll(messages: readonly string[], observer: Observer): void {
  for (const message of messages) observer.log({ level: 'WARNING', step: 'warning', message });
}

/** Opens the services for some work, and closes them after it. */
async function withServices(
  config: Config,
  targets: readonly ServiceConfig[],
  located: ReadonlyMap<string, Located>,
  request: WipeRequest,
  io: WipeIo,
  { startedAt }: { readonly startedAt: Date },
  work: (services: readonly OpenService[]) => Promise<WipeOutcome>,
): Promise<WipeOutcome> {
  const { observer, signal, stateDirectory, surroundings } = io;
  // With nothing left that could refuse, it is said before a dead Redis makes anybody wait.
  if (isCertain(request)) announceStart(request.kinds, config.file, observer);
  const { kinds, olderThan } = request;
  const before = olderThan === undefined ? undefined : startedAt.getTime() - olderThan;
  const earlier = earlierRuns(stateDirectory);
  const services = await openServices(config.services, targets, located, kinds, signal, {
    before,
    earlier,
    isLocked: !request.dryRun,
    judgeAgain: async () =>
      judgeTargets(config, targets, surroundings, placesOf(request, io), signal),
  });
  try {
    refuseReplicas(services);
    signal.throwIfAborted();
    await refuseSharedDatabases(services, { mayWrite: !request.dryRun }, signal);
    return await work(services);
  } finally {
    closeServices(services);
  }
}

function isCertain({ yes, dryRun, strict, caps }: WipeRequest): boolean {
  return yes && !dryRun && !strict && !isCapped(caps);
}

/**
 * Everything between looking and deleting: `--strict`, the limits, the question.
 * @returns what was counted for that, if anything was.
 */
async function confirm(
  request: WipeRequest,
  configFile: string,
  services: readonly OpenService[],
  io: WipeIo,
): Promise<Plan | undefined> {
  const { observer, signal } = io;
  if (request.strict) await enforceStrict(services, request.kinds, signal);
  // Counting costs a look at everything, so it is done only for those who will read it.
  const isRead = !request.yes || isCapped(request.caps);
  const plan = isRead ? await makePlan(request, configFile, services, io) : undefined;
  if (plan !== undefined) enforceCaps(plan.services, request.caps);
  if (!request.yes && plan !== undefined) {
    if (!(await io.ask?.(plan))) {
      throw new CannotStart('declined', 'Not confirmed: nothing was touched.');
    }
    await refreshLinks(services, signal);
  }
  if (plan !== undefined) observer.expect?.(expectedOf(plan.services, request.kinds));
  if (!isCertain(request) && !request.detach) announceStart(request.kinds, configFile, observer);
  return plan;
}

/** For `--dry-run`, which --strict and the limits may refuse as well. */
async function planWipe(
  request: WipeRequest,
  configFile: string,
  services: readonly OpenService[],
  io: WipeIo,
): Promise<Plan> {
  if (request.strict) await enforceStrict(services, request.kinds, io.signal);
  const plan = await makePlan(request, configFile, services, io);
  enforceCaps(plan.services, request.caps);
  return plan;
}

async function makePlan(
  request: WipeRequest,
  configFile: string,
  services: readonly OpenService[],
  { observer, signal }: WipeIo,
): Promise<Plan> {
  const results = request.dryRun ? 'count results' : 'without results';
  const seenNames = new Map<string, number>();
  const census = await Promise.all(
    services.map(async (service) =>
      inspectForPlan(service, request.kinds, results, signal, {
        seenNames,
        limits: true,
        progress: (done, bytes) => {
          observer.progress({ service: service.config.name, step: 'inspect', done, bytes });
        },
      }),
    ),
  );
  const roots = services.map(({ config }) => [config.name, realPath(config.root)] as const);
  return { configFile, services: census, roots: new Map(roots) };
}

/** Where the run writes of itself: never into what it empties. */
function placesOf({ outputs, dryRun }: WipeRequest, io: WipeIo): readonly OwnPlace[] {
  const { logFile, reportFile, metricsFile } = outputs;
  const files = {
    '--log-file': logFile,
    '--report-file': reportFile,
    '--metrics-file': metricsFile,
  };
  return [
    ...(dryRun ? [] : [{ flag: 'The state directory', path: io.stateDirectory }]),
    ...Object.entries(files).flatMap(([flag, file]) =>
      file === undefined ? [] : [{ flag, path: resolve(io.surroundings.workingDirectory, file) }],
    ),
  ];
}

async function refreshLinks(services: readonly OpenService[], signal: AbortSignal): Promise<void> {
  await Promise.all(
    services.map(async (service) => {
      for (const link of linksOf(service)) await refreshLink(link, service.failures, signal);
    }),
  );
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
