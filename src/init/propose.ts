/** From what was found to a config: no password, no guess that deletes. */
import { basename, dirname, isAbsolute, relative, resolve } from 'node:path';
import { isBelow } from './data-directories.ts';
import {
  brokerOf,
  groupParts,
  hasWorker,
  jobsOf,
  knownOf,
  sameDatabase,
} from './group-services.ts';
import type { Group, Mount, Part } from './group-services.ts';
import { databaseOf, labelOf } from './redis-in-environment.ts';
import type { RedisFound } from './redis-in-environment.ts';
import { RESERVED_NAMES, SERVICE_NAME } from '../config/types.ts';

export interface DirectoryEntry {
  readonly path: string;
  readonly keep: readonly string[];
}

/** A service of the config file, in the file's own words. */
export interface ServiceEntry {
  readonly redis?: string;
  readonly keyPrefix?: string;
  readonly celery?: { readonly queues: readonly string[]; readonly broker?: string };
  readonly root?: string;
  readonly directories?: readonly (string | DirectoryEntry)[];
  readonly models?: readonly (string | DirectoryEntry)[];
}

export interface ProposedService {
  readonly name: string;
  /** The containers that it was made from: `docker-compose.yml: api, worker`. */
  readonly from: readonly string[];
  /** `host:port/db`; undefined: none is written. */
  readonly redis: string | undefined;
  readonly broker: string | undefined;
  readonly entry: ServiceEntry;
}

/** An environment variable that must be set wherever media-cleanup runs. */
export interface NeededVariable {
  readonly name: string;
  readonly services: readonly string[];
  /** What to put into it, with `<password>` where one belongs. */
  readonly value: string;
  /** The URL it stands for, without the password: to check the config with. */
  readonly stand: string;
}

export interface Note {
  /** Undefined: about no service in particular. */
  readonly service: string | undefined;
  readonly message: string;
}

export interface Proposal {
  readonly services: readonly ProposedService[];
  readonly variables: readonly NeededVariable[];
  readonly notes: readonly Note[];
}

const QUEUE_VARIABLE = /^(?:CELERY_)?(?:TASK_)?(?:DEFAULT_)?(?:WORKER_)?QUEUES?(?:_NAME)?$/;
const PREFIX_VARIABLE = /^(?:.*_)?(?:KEY|JOB|REDIS)_PREFIX$/;

/** `configDirectory`: where the file will be, absolute; paths in it are relative to that. */
export function propose(parts: readonly Part[], configDirectory: string): Proposal {
  const groups = groupParts(parts);
  const names = nameGroups(groups);
  const notes: Note[] = [];
  const secrets = createSecretNames();
  const folders = groups.map((group) => foldersOf(group));
  const services = groups.map((group, index): ProposedService => {
    const name = names[index] ?? '';
    const note = (message: string): void => {
      if (!notes.some((other) => other.service === name && other.message === message)) {
        notes.push({ service: name, message });
      }
    };
    for (const part of group) for (const message of part.notes) note(message);
    const redis = redisEntry(group, groups, name, secrets, note);
    const others = folders.filter((_, other) => other !== index).flat();
    const chosen = chooseFolders(folders[index] ?? [], others, note);
    noteOthers(group, note);
    const placed = placeFolders(group, chosen, configDirectory);
    const { jobs, broker, ...written } = redis;
    const from = new Map<string, string[]>();
    for (const { project, service } of group) {
      from.set(project.file, [...(from.get(project.file) ?? []), service.name]);
    }
    return {
      name,
      from: [...from].map(([file, members]) => `${file}: ${members.join(', ')}`),
      redis: written.redis === undefined || jobs === undefined ? undefined : labelOf(jobs),
      broker: broker === undefined ? undefined : labelOf(broker),
      entry: { ...written, ...placed },
    };
  });
  const empty = services.filter(({ entry }) => Object.keys(entry).length === 0);
  for (const { name, from } of empty) {
    notes.push({
      service: name,
      message: `left out, nothing in it can be proposed (${from.join('; ')})`,
    });
  }
  return {
    services: services.filter((service) => !empty.includes(service)),
    variables: secrets.list(),
    notes,
  };
}

function redisEntry(
  group: Group,
  groups: readonly Group[],
  name: string,
  secrets: SecretNames,
  note: (message: string) => void,
): Pick<ServiceEntry, 'redis' | 'keyPrefix' | 'celery'> & {
  readonly jobs?: RedisFound | undefined;
  readonly broker?: RedisFound | undefined;
} {
  const known = knownOf(group);
  const jobs = jobsOf(group);
  if (jobs === undefined) {
    if (group.some(({ celery }) => celery?.worker === true)) {
      note(
        'a Celery worker, and no Redis URL in its environment: add `redis`, `keyPrefix` and `celery` by hand',
      );
    }
    return {};
  }
  for (const other of group.flatMap(({ redis }) => redis.jobs ?? [])) {
    if (databaseOf(other) === databaseOf(jobs)) continue;
    note(
      `its containers name two databases, ${labelOf(jobs)} and ${labelOf(other)}: the first is taken`,
    );
  }
  const queues = queuesOf(group, groups, note);
  if (queues.length === 0 && known === undefined) {
    note(
      `its Redis ${labelOf(jobs)} is left out, because nothing says what of it is the service's: add "redis" and "keyPrefix", or "celery"`,
    );
    return {};
  }
  const url = secrets.urlOf(jobs, name);
  const redis =
    known !== undefined && jobs.secret === undefined ? `\${${known.variable}:-${url}}` : url;
  const broker = brokerOf(group);
  const hasBroker = broker !== undefined && queues.length > 0 && !sameDatabase(jobs, broker);
  const results = group.map((part) => part.redis.results).find((one) => one !== undefined);
  if (
    results !== undefined &&
    !sameDatabase(results, jobs) &&
    !(hasBroker && sameDatabase(results, broker))
  ) {
    note(
      `${results.entry} names a third database, ${labelOf(results)}: its results are not removed`,
    );
  }
  if (known === undefined) {
    const told = group.flatMap(({ variables }) =>
      [...variables.keys()].filter((variable) => PREFIX_VARIABLE.test(variable)),
    );
    const hint = told[0] === undefined ? '' : `, and ${told[0]} may say it`;
    note(
      `\`keyPrefix\` must be filled in, or no job is removed; compose files do not tell it: run media-cleanup doctor, it names the prefixes the database holds${hint}`,
    );
  } else {
    note(
      `keyPrefix "${known.keyPrefix}" is the documented one: media-cleanup doctor tells whether the database holds another`,
    );
  }
  return {
    redis,
    ...(known === undefined ? {} : { keyPrefix: known.keyPrefix }),
    ...(queues.length === 0
      ? {}
      : { celery: { queues, ...(hasBroker ? { broker: secrets.urlOf(broker, name) } : {}) } }),
    jobs,
    broker: hasBroker ? broker : undefined,
  };
}

/** None when the queue is not in Redis, or another service's worker consumes it. */
function queuesOf(
  group: Group,
  groups: readonly Group[],
  note: (message: string) => void,
): readonly string[] {
  if (group.some(({ redis }) => redis.foreignBroker)) return [];
  const known = knownOf(group);
  const configured = group
    .flatMap(({ variables }) => [...variables])
    .filter(([variable]) => QUEUE_VARIABLE.test(variable))
    .flatMap(([, { text }]) => text.split(',').map((queue) => queue.trim()))
    .filter((queue) => queue !== '');
  const otherwise =
    configured.length > 0 ? configured : [known === undefined ? 'celery' : known.queue];
  const workers = group.filter(({ celery }) => celery?.worker === true);
  const consumed = workers.flatMap(({ celery }) =>
    celery === undefined || celery.queues.length === 0 ? otherwise : celery.queues,
  );
  const usable = [...new Set(consumed)].filter((queue) => {
    if (!/[$`]/.test(queue)) return true;
    note(`the queue ${queue} is named by a variable of the container: add its name by hand`);
    return false;
  });
  if (known !== undefined && usable.length > 0 && !usable.includes(known.queue)) {
    note(
      `its worker consumes ${usable.join(', ')}, documented is ${known.queue}: the former is taken`,
    );
  }
  if (workers.length > 0) {
    if (configured.length === 0 && known === undefined && usable.includes('celery')) {
      note('queue `celery`: the default of Celery, because its worker has no -Q');
    }
    return usable;
  }
  if (known !== undefined || configured.length > 0) return [...new Set(otherwise)];
  if (!group.some(({ redis, celery }) => redis.broker !== undefined || celery !== undefined)) {
    return [];
  }
  const broker = brokerOf(group);
  if (groups.some((one) => hasWorker(one) && sameDatabase(brokerOf(one), broker))) return [];
  note(
    'queue `celery`: a guess, the default of Celery, because no worker is started here: look at the app for another name',
  );
  return otherwise;
}

interface SecretNames {
  urlOf(found: RedisFound, service: string): string;
  list(): readonly NeededVariable[];
}

/** One name for one secret: of two different ones called alike the second gets the service's name. */
function createSecretNames(): SecretNames {
  const used = new Map<string, { readonly value: string; readonly variable: NeededVariable }>();
  return {
    urlOf(found, service) {
      const { secret, username } = found;
      const scheme = found.tls ? 'rediss' : 'redis';
      const place = labelOf(found);
      if (secret === undefined) return `${scheme}://${place}`;
      const example = `${scheme}://${username}:<password>@${place}`;
      const own = `${service
        .toUpperCase()
        .replaceAll(/[^A-Z0-9]/g, '_')
        .replace(/^(\d)/, '_$1')}_${secret.variable}`;
      const wanted = { value: secret.is === 'url' ? place + secret.value : secret.value };
      const taken = used.get(secret.variable);
      const name = taken === undefined || taken.value === wanted.value ? secret.variable : own;
      const encoded = secret.encode
        ? 'percent-encoded (it becomes part of a URL)'
        : 'as in the URL';
      used.set(name, {
        ...wanted,
        variable: {
          name,
          services: [...new Set([...(used.get(name)?.variable.services ?? []), service])],
          value: secret.is === 'url' ? example : `the password, ${encoded}`,
          stand: secret.is === 'url' ? `${scheme}://${place}` : 'password',
        },
      });
      return secret.is === 'url' ? `\${${name}}` : `${scheme}://${username}:\${${name}}@${place}`;
    },
    list: () => [...used.values()].map(({ variable }) => variable),
  };
}

interface Folder {
  readonly label: string;
  readonly path: string;
  readonly real: string;
  readonly kind: 'directories' | 'models';
  readonly keep: readonly string[];
  readonly owner: string;
}

/** What its containers write and what may be emptied, each once. */
function foldersOf(group: Group): readonly Folder[] {
  const found = new Map<string, Folder>();
  const owner = group[0].service.name;
  for (const { label, path, verdict } of writtenMounts(group)) {
    if (verdict.is === 'no' || found.has(verdict.real)) continue;
    const { is: kind, real, keep } = verdict;
    found.set(real, { label, path, real, kind, keep, owner });
  }
  return [...found.values()];
}

function writtenMounts(group: Group): readonly Mount[] {
  return group.flatMap(({ mounts }) => mounts.filter(({ readOnly }) => !readOnly));
}

function noteOthers(group: Group, note: (message: string) => void): void {
  const written = new Set(writtenMounts(group).map(({ path }) => path));
  for (const { label, path, verdict, readOnly } of group.flatMap(({ mounts }) => mounts)) {
    if (verdict.is === 'no') note(`not proposed: ${label}: ${verdict.why}`);
    else if (readOnly && !written.has(path)) {
      note(`not proposed: ${label}: mounted read-only, so the service does not make what is in it`);
    }
  }
}

/** Without those in each other, and those that another service has as well. */
function chooseFolders(
  own: readonly Folder[],
  others: readonly Folder[],
  note: (message: string) => void,
): readonly Folder[] {
  const overlaps = (a: Folder, b: Folder): boolean =>
    a.real === b.real || isBelow(a.real, b.real) || isBelow(b.real, a.real);
  return own.filter((folder) => {
    const shared = others.find((other) => overlaps(folder, other));
    if (shared !== undefined) {
      note(
        `not proposed: ${folder.label}: ${shared.owner} has it too, and a wipe of one would take the other's files: add it to one of them`,
      );
      return false;
    }
    const around = own.find((other) => isBelow(folder.real, other.real));
    if (around !== undefined && around.kind === folder.kind) return false;
    const inside = own.find(
      (other) => isBelow(other.real, folder.real) && other.kind !== folder.kind,
    );
    if (inside !== undefined) {
      note(
        `not proposed: ${folder.label}: ${inside.label} in it is proposed as ${inside.kind}, and no folder may lie in another`,
      );
      return false;
    }
    return true;
  });
}

function placeFolders(
  group: Group,
  folders: readonly Folder[],
  configDirectory: string,
): Pick<ServiceEntry, 'root' | 'directories' | 'models'> {
  const [first] = folders;
  if (first === undefined) return {};
  const contexts = group.flatMap(({ project, service }) =>
    service.build === undefined ? [] : [resolve(project.directory, service.build.context)],
  );
  const holdsAll = (directory: string): boolean =>
    folders.every(({ path }) => isBelow(path, directory));
  let common = dirname(first.path);
  while (!holdsAll(common)) common = dirname(common);
  const root =
    contexts.find((context) => context !== configDirectory && holdsAll(context)) ?? common;
  const fromConfig = relative(configDirectory, root);
  const isOutside = fromConfig.startsWith('..') || isAbsolute(fromConfig);
  const entries = (kind: Folder['kind']): (string | DirectoryEntry)[] =>
    folders
      .filter((folder) => folder.kind === kind)
      .map(({ path, keep }) => {
        const pattern = relative(root, path).replaceAll(/[\\*?[\]{}()!|]/g, '\\$&');
        return keep.length === 0 ? pattern : { path: pattern, keep };
      });
  const [directories, models] = [entries('directories'), entries('models')];
  return {
    ...(fromConfig === '' ? {} : { root: isOutside ? root : fromConfig }),
    ...(directories.length === 0 ? {} : { directories }),
    ...(models.length === 0 ? {} : { models }),
  };
}

/** What a container is called for its part in the application, not for the application. */
const ROLE =
  /^(?:api|worker|workers|web|app|server|backend|celery|beat|flower|scheduler|service|solo|cpu|gpu|fast|slow|high|low|default|queue|queues|\d+)$/;

function nameGroups(groups: readonly Group[]): readonly string[] {
  const taken = new Set<string>();
  return groups.map((group) => {
    const wanted = plainName(nameOf(group));
    let name = wanted;
    for (let number = 2; taken.has(name); number += 1) name = `${wanted}-${number}`;
    taken.add(name);
    return name;
  });
}

function nameOf(group: Group): string {
  const known = knownOf(group);
  if (known !== undefined) return known.name;
  const [{ project, service }] = group;
  const stems = group.map((part) =>
    part.service.name
      .split(/[-_.]/)
      .filter((word) => !ROLE.test(word.toLowerCase()))
      .join('-'),
  );
  const [stem = ''] = stems;
  if (stem !== '' && stems.every((other) => other === stem)) {
    return group.length === 1 ? service.name : stem;
  }
  const context =
    service.build === undefined ? undefined : resolve(project.directory, service.build.context);
  if (context !== undefined && context !== project.directory) return basename(context);
  return stems.find((other) => other !== '') ?? project.name;
}

function plainName(name: string): string {
  const plain = name.replaceAll(/[^A-Za-z0-9._-]/g, '-').replace(/^[^A-Za-z0-9]+/, '');
  if (!SERVICE_NAME.test(plain)) return 'service';
  return RESERVED_NAMES.some((reserved) => reserved === plain) ? `${plain}-service` : plain;
}
