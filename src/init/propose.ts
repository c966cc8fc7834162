/** From what was found to a config: no password, no guess that deletes. */
import { chooseFolders, foldersOf, noteOthers, placeFolders } from './choose-folders.ts';
import type { LookAtFolder } from './data-directories.ts';
import type { Candidate } from './deployments.ts';
import type { NeededVariable, Note, Proposal, ProposedService } from './proposal.ts';
import type { RedisAnswer } from './redis-answer.ts';
import { unknownRedis, unreadFiles } from './unknown-redis.ts';
import { redisEntry } from './redis-entry.ts';
import { labelOf } from './redis-found.ts';
import type { SecretNames } from './secret-names.ts';

export interface ProposeOptions {
  /** Where the file will be, absolute; paths in it are relative to that. */
  readonly configDirectory: string;
  readonly look: LookAtFolder;
  /** By the name of the service. */
  readonly answers: ReadonlyMap<string, RedisAnswer>;
  readonly secrets: SecretNames;
}

/** @param candidates with names that are unique. */
export function propose(candidates: readonly Candidate[], options: ProposeOptions): Proposal {
  const { configDirectory, look, answers, secrets } = options;
  const groups = candidates.map(({ group }) => group);
  const notes: Note[] = [];
  const unknown: NeededVariable[] = [];
  const folders = candidates.map(({ group, name }) => foldersOf(group, name));
  const services = candidates.map(({ group, name, home }, index): ProposedService => {
    const add = (one: Omit<Note, 'service'>): void => {
      if (!notes.some((other) => other.service === name && other.message === one.message)) {
        notes.push({ service: name, ...one });
      }
    };
    const note = (message: string): void => {
      add({ message });
    };
    const noteFolder = (folder: NonNullable<Note['folder']>): void => {
      const { label, why, line } = folder;
      const how =
        line === undefined ? '' : `; add ${line} to "directories" if the service writes it`;
      add({ message: `not proposed: ${label}: ${why}${how}`, folder });
    };
    for (const part of group) for (const message of part.notes) note(message);
    const answer = answers.get(name);
    const redis = redisEntry(group, { groups, name, secrets, answer, note });
    const unread = redis.jobs === undefined ? unreadFiles(group) : [];
    const asked = unread.length === 0 ? undefined : unknownRedis(name, unread);
    if (asked !== undefined) {
      unknown.push(asked.variable);
      note(asked.message);
    }
    const own = folders[index] ?? [];
    const others = folders.filter((_, other) => other !== index).flat();
    const chosen = chooseFolders(own, others, noteFolder);
    const placed = placeFolders(group, home, chosen, configDirectory, look);
    noteOthers(group, own, placed.root, noteFolder);
    for (const { path, reason } of placed.missing) {
      const text = 'does not exist yet, and is proposed because it';
      const message = `${path} ${text} ${reason}`;
      add({ message, group: { text: `${text} is named or mounted`, item: `${path} (${reason})` } });
    }
    const { jobs, broker } = redis;
    return {
      name,
      from: containersOf(candidates[index]),
      redis: jobs === undefined ? undefined : labelOf(jobs),
      broker: broker === undefined ? undefined : labelOf(broker),
      entry: {
        ...(asked === undefined ? redis.entry : { redis: `\${${asked.variable.name}}` }),
        ...placed.entry,
      },
      sources: [...redis.sources, ...placed.sources],
    };
  });
  const empty = services.filter(({ entry }) => Object.keys(entry).length === 0);
  for (const { name, from } of empty) {
    const message = `left out, nothing in it can be proposed (${from.join('; ')})`;
    notes.push({ service: name, message });
  }
  return {
    services: services.filter((service) => !empty.includes(service)),
    variables: [...secrets.list(), ...unknown],
    notes,
  };
}

function containersOf(candidate: Candidate | undefined): readonly string[] {
  const from = new Map<string, string[]>();
  for (const { project, service } of candidate?.group ?? []) {
    const files = project.files.join(' with ');
    from.set(files, [...(from.get(files) ?? []), service.name]);
  }
  return [...from].map(([files, members]) => `${files}: ${members.join(', ')}`);
}
