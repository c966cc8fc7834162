import { forgetHolds } from '../celery/hold.ts';
import type { Hold } from '../celery/hold.ts';
import { openMailboxAnew } from '../celery/look.ts';
import { removeLeftovers } from '../celery/mailbox.ts';
import { countQueued, findQueueKeys } from '../celery/queue.ts';
import { findConfigFile } from '../config/find.ts';
import { readEnvFiles } from '../config/env-file.ts';
import { loadConfig } from '../config/load.ts';
import type { Config, ServiceConfig } from '../config/types.ts';
import { worst } from '../report/diagnosis.ts';
import type { Check, Diagnosis, QueueDiagnosis, ServiceDiagnosis } from '../report/diagnosis.ts';
import { earlierRuns } from '../runs/earlier-runs.ts';
import { stateDirectory } from '../runs/state-directory.ts';
import { collectFailures, errorLine } from '../report/failures.ts';
import { findingFailure } from '../report/finding-text.ts';
import { counted } from '../report/text.ts';
import type { Failure, Workers } from '../report/types.ts';
import { tellToResume } from './resume-consumers.ts';
import { judgeTargets } from './guard-targets.ts';
import type { Located } from './guard-targets.ts';
import type { Problem } from '../errors.ts';
import { FILE_KINDS, diagnoseDirectories, refusalChecks } from './diagnose-directories.ts';
import { diagnoseLocks } from './diagnose-locks.ts';
import { diagnoseRedis, REFUSED } from './diagnose-redis.ts';
import { inspectService } from './inspect-service.ts';
import { linksOf, onLink, silently } from './links.ts';
import type { Link } from './links.ts';
import { databaseOf, inspectWorkers } from './look-at-workers.ts';
import { closeServices, openServices } from './open-services.ts';
import type { OpenService } from './open-services.ts';
import type { DoctorRequest } from './request.ts';
import { serviceKeys } from './service-keys.ts';
import type { Surroundings } from './surroundings.ts';
import { chooseServices } from './targets.ts';
import { workersWarnings } from './worker-warnings.ts';
import { seeForLook } from '../resources/seen-keys.ts';
import type { SeenDatabases } from '../resources/seen-keys.ts';
import { loadingFinding } from '../resources/server-limits.ts';
import type { SharedDatabases } from '../resources/shared-databases.ts';
import { authorsText, otherAuthors } from '../wipe/config-file.ts';
import { removeControlReplies, replyListChecks } from '../wipe/reply-lists.ts';
import { sameText, sharedDatabases } from '../wipe/refuse-shared.ts';

const REDIS_KINDS = ['jobs', 'queue'] as const;
const FIX = 'media-cleanup doctor --fix';

/**
 * Whether all is well with config, connections, queues, workers and directories. Changes nothing, but with `fix`
 * removes orphaned reply lists of remote control and tells consumers to go on that are held.
 * @throws CannotStart for a config or usage error, or the signal's reason.
 */
export async function doctor(
  request: DoctorRequest,
  surroundings: Surroundings,
  signal: AbortSignal,
): Promise<Diagnosis> {
  const { env, workingDirectory: cwd } = surroundings;
  const config = loadConfig({
    file: findConfigFile({ flag: request.configFile, env, cwd }),
    ...readEnvFiles(request.envFiles, surroundings),
  });
  const targets = chooseServices(config, request.targets);
  const state = stateDirectory({
    flag: undefined,
    env,
    workingDirectory: cwd,
    home: surroundings.home,
  });
  const places = [{ flag: 'The state directory', path: state }];
  const files = new Map<string, readonly Check[]>();
  const judged = await judgeTargets(config, targets, surroundings, places, signal);
  const { located } = judged;
  for (const target of targets) {
    const problems = judged.refused.filter(({ service }) => service === target.name);
    files.set(target.name, await fileChecks(config, target, { located, problems }, state, signal));
  }
  const services = await openServices(config.services, targets, located, REDIS_KINDS, signal, {
    earlier: earlierRuns(state),
  });
  try {
    const shared = await sharedDatabases(services, { mayWrite: false }, signal);
    const resumed: Hold[] = [];
    const diagnoses: ServiceDiagnosis[] = [];
    for (const service of services) {
      await refuseLoading(service);
      if (request.fix) await removeControlReplies(service, signal);
      const first = await diagnose(service, located, state, signal);
      const held = request.fix ? heldConsumers(first) : [];
      const fixed = held.length === 0 ? [] : await resumeHeld(service, held, signal);
      resumed.push(...fixed);
      const last = fixed.length === 0 ? first : await diagnose(service, located, state, signal);
      const { name } = service.config;
      const ofConfig = diagnoses.length === 0 ? configChecks(config.file) : [];
      const more = [...ofConfig, ...sharedChecks(name, shared), ...(files.get(name) ?? [])];
      diagnoses.push({ ...last, checks: [...last.checks, ...more] });
    }
    const status = worst(diagnoses.flatMap(({ checks }) => checks));
    return { configFile: config.file, status, services: diagnoses, resumed };
  } finally {
    closeServices(services);
  }
}

/** What is refused is not looked into: it may be the whole machine. */
async function fileChecks(
  config: Config,
  target: ServiceConfig,
  {
    located,
    problems,
  }: { readonly located: ReadonlyMap<string, Located>; readonly problems: readonly Problem[] },
  state: string,
  signal: AbortSignal,
): Promise<readonly Check[]> {
  if (problems.length > 0) return refusalChecks(problems);
  const services = await openServices(config.services, [target], located, FILE_KINDS, signal, {
    earlier: earlierRuns(state),
  });
  try {
    const [service] = services;
    return service === undefined ? [] : await diagnoseDirectories(service, signal);
  } finally {
    closeServices(services);
  }
}

/** Told once, with the first service. */
function configChecks(file: string): readonly Check[] {
  const found = otherAuthors(file);
  if (found === undefined) return [];
  return [{ name: 'config', status: 'warning', message: authorsText(found), hint: found.remedy }];
}

function sharedChecks(
  service: string,
  { problems, pairs, unjudged }: SharedDatabases,
): readonly Check[] {
  const ofService = <T extends { readonly service: string }>(all: readonly T[]): readonly T[] =>
    all.filter((one) => one.service === service);
  return [
    ...ofService(problems).map(({ path, message }): Check => ({
      name: 'databases',
      status: 'problem',
      message: `${path} ${message}`,
      hint: `${sameText(pairs)}: a wipe is refused`,
    })),
    ...ofService(unjudged).map(({ text }): Check => ({
      name: 'databases',
      status: 'warning',
      message: text,
      hint: '',
    })),
  ];
}

async function diagnose(
  service: OpenService,
  located: ReadonlyMap<string, Located>,
  state: string,
  signal: AbortSignal,
): Promise<ServiceDiagnosis> {
  const failures = collectFailures();
  const report = (failure: Failure): void => {
    failures.add(failure);
  };
  const quiet = { ...service, failures: [], warnings: [], directories: [] };
  const seen = await seeForLook(
    service,
    // One service after the other.
    { kinds: REDIS_KINDS, census: 'everything', replyLists: true, isAlone: true },
    report,
    signal,
  );
  // First: other looks touch what they read (a SCAN does not), and it counts when a list was touched last.
  const replies = await replyListChecks(service, seen, signal);
  const census = await inspectService(quiet, ['queue'], signal, { seen });
  census.failures.first.forEach(report);
  const { tasks } = census;
  const workers = await inspectWorkers(service, report, signal);
  const queues = await diagnoseQueues(service, workers, seen, report, signal);
  const redis = await diagnoseRedis(service, seen, signal);
  const checks: Check[] = [
    ...linkChecks(service),
    ...redis.checks,
    ...(await diagnoseLocks(service, located.get(service.config.name), state, signal)),
    ...failures
      .list()
      .first.filter(({ code }) => !REFUSED.has(code) || isAllowed(redis.checks))
      .map((failure) => problemOf('celery', failure)),
    ...queues.map((queue) => queueCheck(queue, workers)),
    ...workers.problems.map((failure) => problemOf('workers', failure)),
    ...workersChecks(service, workers),
    ...replies,
  ];
  const { name } = service.config;
  // One that fails several steps is told once.
  const once = new Map(checks.map((check) => [`${check.status} ${check.message}`, check]));
  return {
    ...{ name, checks: [...once.values()], queues, families: redis.families },
    census: { tasks, workers },
  };
}

/** A server that loads its data answers nothing else: it is told of at once, and not waited for. */
async function refuseLoading(service: OpenService): Promise<void> {
  for (const link of linksOf(service)) {
    const step = { target: link.failureTarget, name: 'state' };
    const loading = await onLink(link, step, silently, async (redis) =>
      loadingFinding(link, redis),
    );
    if (loading === undefined) continue;
    service.failures.push(findingFailure(loading));
    link.connection?.close();
    link.connection = undefined;
  }
}

/** Otherwise the check of permissions has told what is missing. */
function isAllowed(checks: readonly Check[]): boolean {
  return !checks.some(
    ({ name, status }) => ['acl', 'commands'].includes(name) && status === 'problem',
  );
}

function linkChecks(service: OpenService): readonly Check[] {
  const answers = (name: string, label: string): Check => ({
    name,
    status: 'ok',
    message: `${label} answers`,
    hint: '',
  });
  const { redis, broker, results, config } = service;
  if (redis === undefined && broker === undefined && service.failures.length === 0) {
    return [{ name: 'redis', status: 'ok', message: 'none configured', hint: '' }];
  }
  const ofLink = (name: string, { label, connection }: Link): readonly Check[] =>
    connection === undefined
      ? []
      : [
          answers(name, label),
          ...connection.warnings.map((message): Check => ({
            name,
            status: 'warning',
            message,
            hint: '',
          })),
        ];
  return [
    ...(redis === undefined ? [] : ofLink('redis', redis)),
    ...(broker === undefined || broker === redis ? [] : ofLink('broker', broker)),
    ...(results === undefined || results === redis || results === broker
      ? []
      : ofLink('results', results)),
    ...service.failures.map((failure) => problemOf('redis', failure)),
    ...(config.celery === undefined
      ? [{ name: 'queue', status: 'ok' as const, message: 'none configured', hint: '' }]
      : []),
  ];
}

function problemOf(name: string, failure: Failure): Check {
  return { name, status: 'problem', message: errorLine(failure), hint: failure.hint };
}

async function diagnoseQueues(
  service: OpenService,
  workers: Workers,
  seen: SeenDatabases,
  report: (failure: Failure) => void,
  signal: AbortSignal,
): Promise<readonly QueueDiagnosis[]> {
  const keys = serviceKeys(service);
  const found = await onLink(
    service.broker,
    { target: 'Celery', name: 'queue' },
    report,
    async (broker) => {
      const queues: QueueDiagnosis[] = [];
      for (const name of keys.queues) {
        const scope = { own: [name], others: new Set([...keys.queues, ...keys.scope.others]) };
        const known = seen.broker.queueLists;
        const lists = await findQueueKeys(broker, scope, keys.broker, signal, known);
        const queued = await countQueued(broker, lists.keys);
        const consumers = workers.own.filter(({ queues: own }) => own.includes(name));
        const noted = workers.held.filter(({ queue }) => queue === name);
        const held = noted.map(({ worker }) => worker);
        const others = workers.heldByOthers.filter(({ queue }) => queue === name);
        queues.push({
          name,
          queued,
          consumers: consumers.map((worker) => worker.name),
          // Nobody noted it, and still somebody is there who consumes nothing.
          held:
            held.length + consumers.length + others.length > 0 || queued === 0
              ? held
              : workers.idle,
        });
      }
      return queues;
    },
  );
  return found ?? [];
}

function queueCheck(queue: QueueDiagnosis, workers: Workers): Check {
  const { name, queued, consumers, held } = queue;
  const messages = `${name}: ${counted(queued, 'message')}`;
  const noted = workers.held.some((hold) => hold.queue === name);
  if (consumers.length > 0 && !noted) {
    return {
      name: 'queue',
      status: 'ok',
      message: `${messages}, consumed by ${consumers.join(', ')}`,
      hint: '',
    };
  }
  if (held.length > 0) {
    const why = noted
      ? 'a run told it to stop and did not resume it (killed, or it lost Redis)'
      : 'it was told to stop, or lost the queue when it reconnected to Redis (celery #7733)';
    return {
      name: 'held',
      status: 'problem',
      message: `${messages} and ${consumers.length === 0 ? 'no' : 'not every'} consumer: ${held.join(', ')} does not consume it, ${why}`,
      hint: FIX,
    };
  }
  const going = workers.heldByOthers.filter((hold) => hold.queue === name);
  if (going.length > 0) {
    const those = going.map(({ worker }) => worker).join(', ');
    const message = `${messages}, held from ${those} by a wipe that goes on now`;
    return { name: 'queue', status: 'ok', message, hint: '' };
  }
  const maybe = maybeHeld(name, workers);
  if (maybe.length > 0) {
    const message = `${messages}, may still be held from ${maybe.join(', ')} by an earlier run: a worker that does not answer does not say what it consumes`;
    return {
      name: 'held',
      status: 'warning',
      message,
      hint: `look again when it answers, or ${FIX}`,
    };
  }
  if (workers.silent > 0) {
    const message = `${messages}, no consumer but perhaps one that does not answer`;
    const status = queued === 0 ? 'ok' : 'warning';
    return { name: 'queue', status, message, hint: 'look again when it answers' };
  }
  if (queued === 0) {
    return { name: 'queue', status: 'ok', message: `${messages}, no consumer`, hint: '' };
  }
  return {
    name: 'queue',
    status: workers.listening > 0 ? 'problem' : 'warning',
    message: `${messages} and no consumer`,
    hint:
      workers.listening > 0
        ? `start its worker, or tell one to: celery -A <app> control add_consumer ${name} -d <worker>`
        : 'start its worker; or wipe it',
  };
}

function workersChecks(service: OpenService, workers: Workers): readonly Check[] {
  if (service.broker?.connection === undefined || service.config.celery === undefined) return [];
  const told = { held: [], maybeHeld: [], heldByOthers: [] };
  const warnings = workersWarnings(service, { ...workers, ...told });
  const names = workers.own.map((worker) => worker.name).join(', ');
  const found: Check = {
    name: 'workers',
    status: 'ok',
    message:
      names !== ''
        ? names
        : workers.listening === 0
          ? 'none running'
          : 'none that consumes its queues now',
    hint: '',
  };
  return [
    ...(names === '' && warnings.length > 0 ? [] : [found]),
    ...warnings.map((text): Check => {
      const message = text.replace(/^Celery: /, '');
      return { name: 'workers', status: 'warning', message, hint: '' };
    }),
  ];
}

function maybeHeld(queue: string, workers: Workers): readonly string[] {
  return workers.maybeHeld.filter((hold) => hold.queue === queue).map(({ worker }) => worker);
}

function heldConsumers({ queues, census: { workers } }: ServiceDiagnosis): readonly Hold[] {
  return queues.flatMap(({ name, held }) =>
    [...held, ...maybeHeld(name, workers)].map((worker) => ({ worker, queue: name })),
  );
}

/** @returns those that consume again. */
async function resumeHeld(
  service: OpenService,
  held: readonly Hold[],
  signal: AbortSignal,
): Promise<readonly Hold[]> {
  const { broker: link } = service;
  const keys = serviceKeys(service);
  const resumed = await onLink(
    link,
    { target: 'Celery', name: 'workers' },
    silently,
    async (broker) => {
      signal.throwIfAborted();
      const db = link === undefined ? 0 : databaseOf(link.target);
      await removeLeftovers(broker, keys.broker);
      const mailbox = await openMailboxAnew(broker, keys.broker, db);
      try {
        const done = await tellToResume(held, mailbox);
        await forgetHolds(broker, keys.broker, done);
        return done;
      } finally {
        await mailbox.close();
      }
    },
  );
  return resumed ?? [];
}
