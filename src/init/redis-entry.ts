/** `redis`, `keyPrefix` and `celery` of a service: from its files, and from Redis where it answers. */
import {
  brokerOf,
  configuredQueues,
  hasWorker,
  jobsOf,
  knownOf,
  partOf,
  sameDatabase,
} from './group-services.ts';
import type { Group } from './group-services.ts';
import { prefixFor } from './key-prefix.ts';
import type { RedisEntryForm, ServiceEntry, Source } from './proposal.ts';
import type { RedisAnswer } from './redis-answer.ts';
import { databaseOf, labelOf } from './redis-found.ts';
import type { RedisFound } from './redis-found.ts';
import type { SecretNames } from './secret-names.ts';

export interface RedisProposal {
  readonly entry: Pick<ServiceEntry, 'redis' | 'keyPrefix' | 'celery'>;
  readonly jobs: RedisFound | undefined;
  /** Undefined: the same database as the jobs, or none. */
  readonly broker: RedisFound | undefined;
  readonly sources: readonly Source[];
}

export interface RedisContext {
  readonly groups: readonly Group[];
  readonly name: string;
  readonly secrets: SecretNames;
  readonly answer: RedisAnswer | undefined;
  readonly note: (message: string) => void;
}

export function redisEntry(group: Group, context: RedisContext): RedisProposal {
  const { groups, name, secrets, answer, note } = context;
  const known = knownOf(group);
  const jobs = jobsOf(group);
  if (jobs === undefined) {
    if (hasWorker(group)) {
      note(
        'a Celery worker, and no Redis URL in its environment: add `redis`, `keyPrefix` and `celery` by hand',
      );
    }
    return { entry: {}, jobs: undefined, broker: undefined, sources: [] };
  }
  noteOtherDatabases(group, jobs, note);
  const queues = queuesFor(group, groups, answer, note);
  const prefix = prefixFor(group, answer, labelOf(jobs), note);
  const url = secrets.urlOf(jobs, name, partOf(group, jobs));
  // An env file of the next steps that sets the variable would lead to the Redis of that file.
  const hasVariable =
    known !== undefined &&
    jobs.master === undefined &&
    jobs.secret === undefined &&
    !secrets.isSet(known.variable);
  const redis = hasVariable ? `\${${known.variable}:-${url}}` : formOf(jobs, url);
  const broker = brokerOf(group);
  const hasBroker = broker !== undefined && queues.names.length > 0 && !sameDatabase(jobs, broker);
  const results = resultsApart(group, jobs);
  const formIn = (found: RedisFound): RedisEntryForm =>
    formOf(found, secrets.urlOf(found, name, partOf(group, found)));
  const celery = {
    queues: queues.names,
    ...(hasBroker ? { broker: formIn(broker) } : {}),
    ...(results === undefined ? {} : { resultBackend: formIn(results) }),
  };
  return {
    entry: {
      redis,
      ...(prefix === undefined ? {} : { keyPrefix: prefix.value }),
      ...(queues.names.length === 0 ? {} : { celery }),
    },
    jobs,
    broker: hasBroker ? broker : undefined,
    sources: [
      foundSource('redis', group, jobs),
      ...(hasBroker ? [foundSource('broker', group, broker)] : []),
      ...(results === undefined || queues.names.length === 0
        ? []
        : [foundSource('resultBackend', group, results)]),
      ...(prefix === undefined ? [] : [prefix.source]),
      ...queues.sources,
    ],
  };
}

/** Sentinels are named with the primary that they watch. */
function formOf({ master }: RedisFound, url: string): RedisEntryForm {
  return master === undefined ? url : { sentinels: url, name: master };
}

function foundSource(setting: string, group: Group, found: RedisFound): Source {
  const origin = partOf(group, found)?.container.originOf(found.entry);
  const { file, line } = origin ?? { file: undefined, line: undefined };
  return { setting, value: labelOf(found), file, line, how: found.entry };
}

function noteOtherDatabases(group: Group, jobs: RedisFound, note: (text: string) => void): void {
  for (const other of group.flatMap(({ redis }) => redis.jobs ?? [])) {
    if (databaseOf(other) === databaseOf(jobs)) continue;
    note(
      `its containers name two databases, ${labelOf(jobs)} and ${labelOf(other)}: "redis" is ${labelOf(jobs)}`,
    );
  }
}

/** A database of the results that is not that of the jobs. */
function resultsApart(group: Group, jobs: RedisFound): RedisFound | undefined {
  const results = group.map((part) => part.redis.results).find((one) => one !== undefined);
  return results === undefined || sameDatabase(results, jobs) ? undefined : results;
}

interface Queues {
  readonly names: readonly string[];
  readonly sources: readonly Source[];
}

const NO_QUEUES: Queues = { names: [], sources: [] };

/** None when the queue is not in Redis, or another service's worker consumes it. */
function queuesFor(
  group: Group,
  groups: readonly Group[],
  answer: RedisAnswer | undefined,
  note: (message: string) => void,
): Queues {
  if (group.some(({ redis }) => redis.foreignBroker)) return NO_QUEUES;
  const told = toldQueues(group, note);
  const known = knownOf(group);
  if (told.names.length > 0) {
    noteOtherWorkers(told.names, answer, note);
    if (known !== undefined && !told.names.includes(known.queue)) {
      note(otherQueueText(told.names, known.queue));
    }
    return told;
  }
  if (known === undefined && !hasWorker(group)) {
    const uses = group.some(
      ({ redis, celery }) => redis.broker !== undefined || celery !== undefined,
    );
    const broker = brokerOf(group);
    const isOthers = groups.some(
      (one) => one !== group && hasWorker(one) && sameDatabase(brokerOf(one), broker),
    );
    if (!uses || isOthers) return NO_QUEUES;
  }
  const consumed = consumedQueues(answer);
  if (consumed !== undefined) {
    if (known !== undefined && !consumed.names.includes(known.queue)) {
      note(otherQueueText(consumed.names, known.queue));
    }
    return consumed;
  }
  if (known !== undefined) {
    noteOtherWorkers([known.queue], answer, note);
    return guessed(known.queue, 'from the shipped example');
  }
  if (group.some(({ celery }) => (celery?.queues.length ?? 0) > 0)) return NO_QUEUES;
  note(
    hasWorker(group)
      ? 'queue `celery`: the default of Celery, because its worker has no -Q'
      : 'queue `celery`: a guess, the default of Celery, because no worker is started here: look at the app for another name',
  );
  noteOtherWorkers(['celery'], answer, note);
  return guessed('celery', "Celery's default");
}

function otherQueueText(names: readonly string[], example: string): string {
  const queues = names.map((name) => `"${name}"`).join(', ');
  return `queues ${queues}: its worker consumes them, and the shipped example has "${example}"`;
}

function guessed(name: string, how: string): Queues {
  const source = { setting: 'queues', value: name, file: undefined, line: undefined, how };
  return { names: [name], sources: [source] };
}

/** Of its workers' commands, else of its settings. */
function toldQueues(group: Group, note: (message: string) => void): Queues {
  const configured = configuredQueues(group);
  const workers = group.filter(({ celery }) => celery?.worker === true);
  const ofCommands = workers.flatMap((part) =>
    (part.celery?.queues ?? []).map((queue) => ({ queue, variable: '-Q', part })),
  );
  const plain = workers.find(({ celery }) => celery?.queues.length === 0);
  // Beside workers with -Q, the worker without consumes the default queue.
  const ofDefault =
    ofCommands.length === 0 || plain === undefined
      ? []
      : configured.length > 0
        ? configured
        : [{ queue: 'celery', variable: 'command', part: plain }];
  const all = ofCommands.length > 0 ? [...ofCommands, ...ofDefault] : configured;
  const usable = all.filter(({ queue }) => {
    if (!/[$`]/.test(queue)) return true;
    note(`the queue ${queue} is named by a variable of the container: add its name by hand`);
    return false;
  });
  const once = usable.filter(
    ({ queue }, index) => usable.findIndex((other) => other.queue === queue) === index,
  );
  return {
    names: once.map(({ queue }) => queue),
    sources: once.map(({ queue, variable, part }) => ({
      ...{ setting: 'queues', value: queue, how: variable },
      ...(variable === '-Q' || variable === 'command'
        ? part.container.locate(`-Q ${queue}`, `-Q, ${queue}`, `--queues=${queue}`, queue)
        : part.container.originOf(variable)),
    })),
  };
}

/** What workers consume, else what was declared, in a database that is this service's alone. */
function consumedQueues(answer: RedisAnswer | undefined): Queues | undefined {
  if (answer?.ownsBroker !== true) return undefined;
  const { workers, declared } = answer;
  const ofWorkers = [...new Set(workers.flatMap(({ queues }) => queues))];
  const names = ofWorkers.length > 0 ? ofWorkers : declared.length === 1 ? declared : [];
  if (names.length === 0) return undefined;
  return {
    names,
    sources: names.map((queue) => {
      const worker = workers.find(({ queues }) => queues.includes(queue));
      const how = worker === undefined ? 'declared in Redis' : `worker ${worker.name} consumes it`;
      return { setting: 'queues', value: queue, file: undefined, line: undefined, how };
    }),
  };
}

function noteOtherWorkers(
  names: readonly string[],
  answer: RedisAnswer | undefined,
  note: (message: string) => void,
): void {
  // In a database of several services the others' workers consume something else.
  if (answer?.ownsBroker !== true) return;
  for (const { name, queues } of answer.workers) {
    const others = queues.filter((queue) => !names.includes(queue));
    if (others.length === 0) continue;
    note(
      `worker ${name} consumes ${others.join(', ')} in its broker's database, and the files say ${names.join(', ')}: add ${others.join(', ')} to "queues" if it is this service's worker`,
    );
  }
}
