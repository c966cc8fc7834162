/** What Redis is asked for each service, with the passwords that are known here. */
import type { Credentials, RedisTarget } from '../redis/target.ts';
import type { RedisQuestion } from './ask-redis.ts';
import type { Candidate } from './deployments.ts';
import { brokerOf, jobsOf, namedQueues } from './group-services.ts';
import { namedPrefixes } from './key-prefix.ts';
import { readAddress, targetOf } from './redis-found.ts';
import type { RedisFound } from './redis-found.ts';

export function questionsFor(candidates: readonly Candidate[]): readonly RedisQuestion[] {
  return candidates.flatMap(({ group, name }) => {
    const jobs = jobsOf(group);
    if (jobs === undefined) return [];
    const broker = brokerOf(group) ?? jobs;
    const [target, brokerTarget] = [targetFor(jobs), targetFor(broker)];
    return [
      {
        ...{ service: name, jobs: target, broker: brokerTarget },
        ...{ queues: namedQueues(group), prefixes: namedPrefixes(group) },
      },
    ];
  });
}

function targetFor(found: RedisFound): RedisTarget {
  return targetOf(found, credentialsOf(found));
}

/** Undefined: none, or none that is known here. */
function credentialsOf({ secret, username }: RedisFound): Credentials | undefined {
  if (secret === undefined || secret.value === '') return undefined;
  try {
    if (secret.is === 'url') return readAddress(secret.value).credentials;
    const password = secret.encode ? secret.value : decodeURIComponent(secret.value);
    const user = username === '' ? undefined : decodeURIComponent(username);
    return { username: user, password };
  } catch {
    return undefined;
  }
}
