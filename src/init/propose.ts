/** From what was found to a config: no password, no guess that deletes. */
import { chooseFolders, foldersOf, noteOthers, placeFolders } from './choose-folders.ts';
import type { LookAtFolder } from './data-directories.ts';
import type { Candidate } from './deployments.ts';
import type { Note, Proposal, ProposedService } from './proposal.ts';
import type { RedisAnswer } from './redis-answer.ts';
import { redisEntry } from './redis-entry.ts';
import { labelOf } from './redis-in-environment.ts';
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
      add({ message: `not proposed: ${folder.label}: ${folder.why}`, folder });
    };
    for (const part of group) for (const message of part.notes) note(message);
    const answer = answers.get(name);
    const redis = redisEntry(group, { groups, name, secrets, answer, note });
    const own = folders[index] ?? [];
    const others = folders.filter((_, other) => other !== index).flat();
    const chosen = chooseFolders(own, others, noteFolder);
    noteOthers(group, own, noteFolder);
    const placed = placeFolders(group, home, chosen, configDirectory, look);
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
      entry: { ...redis.entry, ...placed.entry },
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
    variables: secrets.list(),
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
