/**
 * One deployment for each service. Where several compose and env files describe the same service,
 * its settings come whole from one of them: a Redis of one and a broker of another would be a stack
 * that nobody runs, and a wipe of it would prove nothing.
 */
import { relative } from 'node:path';
import { isBelow } from './data-directories.ts';
import type { LookAtFolder } from './data-directories.ts';
import {
  brokerOf,
  groupParts,
  jobsOf,
  knownOf,
  namedQueues,
  sameDatabase,
} from './group-services.ts';
import type { Group, Part, Project } from './group-services.ts';
import type { Note } from './proposal.ts';
import { labelOf } from './redis-found.ts';
import { homeOf, nameOf } from './service-names.ts';

/** A service as one deployment describes it. */
export interface Candidate {
  readonly name: string;
  /** Absolute. */
  readonly home: string;
  readonly group: Group;
}

/** Which of several deployments of one service is meant: the first is taken without an answer. */
export interface DeploymentQuestion {
  readonly service: string;
  readonly options: readonly { readonly file: string; readonly says: string }[];
}

/** The index of an option. */
export type AskDeployment = (question: DeploymentQuestion) => Promise<number>;

export async function chooseDeployments(
  projects: readonly (readonly Part[])[],
  options: {
    readonly base: string;
    readonly look: LookAtFolder;
    readonly ask: AskDeployment | undefined;
  },
): Promise<{ readonly candidates: readonly Candidate[]; readonly notes: readonly Note[] }> {
  const { base, look, ask } = options;
  const isHere = (path: string): boolean => path === base || isBelow(path, base);
  const all = projects.flatMap((parts) =>
    groupParts(parts).flatMap((group): Candidate[] => {
      const home = homeOf(group, look);
      // The stack around the folder describes other services as well.
      if (!isHere(group[0].project.folder) && !isHere(home)) return [];
      return [{ group, home, name: nameOf(group, home) }];
    }),
  );
  const candidates: Candidate[] = [];
  const notes: Note[] = [];
  for (const service of sameServices(all, look)) {
    const [chosen, ...others] = ordered(byProject(service), base);
    if (chosen === undefined) continue;
    const different = others.filter((other) => differences(other, chosen, base).length > 0);
    const name = chosen[0]?.name ?? '';
    const wanted =
      ask === undefined || different.length === 0
        ? 0
        : await ask({
            service: name,
            options: [chosen, ...different].map((one) => ({
              file: ownFilesOf(one, chosen),
              says: said(one, base),
            })),
          });
    const taken = [chosen, ...different][wanted] ?? chosen;
    candidates.push(...taken);
    for (const other of [chosen, ...different].filter((one) => one !== taken)) {
      const says = differences(other, taken, base).join('; ');
      const message = `settings are those of ${filesOf(taken)}; ${ownFilesOf(other, taken)} describes the service too and is not used: ${says === '' ? 'less' : says}`;
      notes.push({ service: name, message });
    }
  }
  return { candidates, notes };
}

type Deployment = readonly Candidate[];

function projectOf(deployment: Deployment): Project | undefined {
  return deployment[0]?.group[0].project;
}

function filesOf(deployment: Deployment): string {
  return projectOf(deployment)?.files.join(' with ') ?? '';
}

/** Of `base with override` beside the base alone: the override. */
function ownFilesOf(deployment: Deployment, beside: Deployment): string {
  const known = new Set(projectOf(beside)?.files);
  const own = (projectOf(deployment)?.files ?? []).filter((file) => !known.has(file));
  return own.length === 0 ? filesOf(deployment) : own.join(' with ');
}

/** Candidates of one service are together: by folder, by name, by what is known of the stack. */
function sameServices(
  all: readonly Candidate[],
  look: LookAtFolder,
): readonly (readonly Candidate[])[] {
  const shared = new Set(
    all.flatMap((one, index) => {
      const twin = all.findIndex(
        (other) => one.home === other.home && one.group[0].project === other.group[0].project,
      );
      return twin === index ? [] : [one.home];
    }),
  );
  const keysOf = ({ group, home, name }: Candidate): readonly string[] => {
    const state = look(home);
    const real = state.is === 'directory' ? state.real : home;
    return [
      `name ${knownOf(group)?.name ?? name}`,
      // A folder that holds several services tells none of them apart.
      ...(shared.has(home) ? [] : [`home ${real}`]),
    ];
  };
  const sets: { readonly keys: Set<string>; readonly members: Candidate[] }[] = [];
  for (const candidate of all) {
    const keys = keysOf(candidate);
    const [first, ...more] = sets.filter((set) => keys.some((key) => set.keys.has(key)));
    const set = first ?? { keys: new Set<string>(), members: [] };
    if (first === undefined) sets.push(set);
    for (const other of more) {
      for (const key of other.keys) set.keys.add(key);
      set.members.push(...other.members);
      sets.splice(sets.indexOf(other), 1);
    }
    for (const key of keys) set.keys.add(key);
    set.members.push(candidate);
  }
  return sets.map(({ members }) => members);
}

function byProject(candidates: readonly Candidate[]): readonly Deployment[] {
  const projects = new Map<Project, Candidate[]>();
  for (const candidate of candidates) {
    const { project } = candidate.group[0];
    projects.set(project, [...(projects.get(project) ?? []), candidate]);
  }
  return [...projects.values()];
}

/** The one to take first: with a Redis, then nearest to the service, then a compose file. */
function ordered(deployments: readonly Deployment[], base: string): readonly Deployment[] {
  const rank = (one: Deployment): readonly number[] => [
    one.some(({ group }) => jobsOf(group) !== undefined) ? 0 : 1,
    // An env file that a container gets is a part of that deployment.
    deployments.some((other) => other !== one && isPartOf(one, other)) ? 1 : 0,
    one.some(({ home, group }) => group[0].project.folder === home) ? 0 : 1,
    projectOf(one)?.kind === 'compose' ? 0 : 1,
  ];
  const sorted = deployments.toSorted((a, b) => {
    const [left, right] = [rank(a), rank(b)];
    const index = left.findIndex((value, at) => value !== right[at]);
    return index === -1 ? 0 : (left[index] ?? 0) - (right[index] ?? 0);
  });
  const [first, ...others] = sorted;
  if (first === undefined || projectOf(first)?.kind !== 'env') return sorted;
  // Of the same databases a compose file knows more: the queues, and where containers write.
  const better = others.find(
    (other) =>
      projectOf(other)?.kind === 'compose' &&
      !differences(other, first, base).some((text) => /^(?:Redis|broker)/.test(text)),
  );
  return better === undefined ? sorted : [better, ...sorted.filter((one) => one !== better)];
}

function isPartOf(one: Deployment, other: Deployment): boolean {
  const [own, around] = [projectOf(one), projectOf(other)];
  if (own?.kind !== 'env' || around === undefined) return false;
  return [...own.envFiles].some((path) => around.envFiles.has(path));
}

/** What `other` says and `taken` does not. */
function differences(other: Deployment, taken: Deployment, base: string): readonly string[] {
  const [theirs, ours] = [summaryOf(other, base), summaryOf(taken, base)];
  const instead = (what: string, key: 'redis' | 'broker' | 'queues'): string[] =>
    theirs[key] === '' || theirs[key] === ours[key]
      ? []
      : [`${what} ${theirs[key]}${ours[key] === '' ? '' : ` instead of ${ours[key]}`}`];
  const more = theirs.directories.filter((path) => !ours.directories.includes(path));
  return [
    ...instead('Redis', 'redis'),
    ...instead('broker', 'broker'),
    ...instead('queues', 'queues'),
    ...(more.length === 0 ? [] : [`directories ${more.join(', ')}`]),
  ];
}

function said(deployment: Deployment, base: string): string {
  const { redis, broker, queues, directories } = summaryOf(deployment, base);
  return [
    redis === '' ? 'no Redis' : `Redis ${redis}`,
    ...(broker === '' || broker === redis ? [] : [`broker ${broker}`]),
    ...(queues === '' ? [] : [`queues ${queues}`]),
    ...(directories.length === 0 ? [] : [`directories ${directories.join(', ')}`]),
  ].join('; ');
}

function summaryOf(deployment: Deployment, base: string) {
  const groups = deployment.map(({ group }) => group);
  const unique = (texts: readonly string[]): readonly string[] => [...new Set(texts)].toSorted();
  const label = (found: ReturnType<typeof jobsOf>): readonly string[] =>
    found === undefined ? [] : [labelOf(found).replace(/^localhost:/i, '127.0.0.1:')];
  const brokers = groups.map((group) => {
    const broker = brokerOf(group);
    return sameDatabase(broker, jobsOf(group)) ? undefined : broker;
  });
  return {
    redis: unique(groups.flatMap((group) => label(jobsOf(group)))).join(', '),
    broker: unique(brokers.flatMap(label)).join(', '),
    queues: unique(groups.flatMap(namedQueues)).join(', '),
    directories: unique(
      groups.flatMap((group) =>
        group.flatMap(({ mounts }) =>
          mounts.flatMap(({ verdict, readOnly }) =>
            verdict.is === 'no' || readOnly ? [] : [relative(base, verdict.real)],
          ),
        ),
      ),
    ),
  };
}
