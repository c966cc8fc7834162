/** Which variable a password stands in: no password is written into a config. */
import type { Variables } from '../config/env-file.ts';
import { parseRedisUrl } from '../config/redis-url.ts';
import { brokerOf, jobsOf, partOf } from './group-services.ts';
import type { Group, Part } from './group-services.ts';
import type { NeededVariable } from './proposal.ts';
import { labelOf, leadsTo, readAddress, urlText } from './redis-found.ts';
import type { RedisFound } from './redis-found.ts';
import { describeSource } from './secret-source.ts';
import type { ShownPath } from './secret-source.ts';

export interface SecretNames {
  urlOf(found: RedisFound, service: string, part: Part | undefined): string;
  /** Whether a listed env file sets the variable. */
  isSet(name: string): boolean;
  list(): readonly NeededVariable[];
}

/** Env files that would set variables of the config, were there no conflict between them. Absolute. */
export function envFilesOf(groups: readonly Group[]): readonly string[] {
  const files = groups.flatMap((group) =>
    [jobsOf(group), brokerOf(group)].flatMap((found) => {
      if (found?.secret === undefined || !isThisRedis(found, found.secret.value)) return [];
      return partOf(group, found)?.container.envFileOf(found.secret.variable) ?? [];
    }),
  );
  return [...new Set(files)];
}

/**
 * One name for one secret. The name is that of the stack's own variable where the env files hold
 * just what the config needs. A variable that holds something else (a URL with the host of a
 * container, the value of another service) gets the service's name before it, so that no env file
 * can set it wrongly.
 * @param files what the env files set that the next steps name.
 */
export function createSecretNames(files: Variables, shown: ShownPath): SecretNames {
  const used = new Map<string, { readonly value: string; readonly variable: NeededVariable }>();
  return {
    urlOf(found, service, part) {
      const { secret, username } = found;
      if (secret === undefined) return urlText(found, '');
      const value = secret.is === 'url' ? labelOf(found) + secret.value : secret.value;
      const isMet = (name: string): boolean =>
        !files.conflicts.has(name) && isThisRedis(found, files.env[name] ?? '');
      const isFree = (name: string): boolean =>
        (used.get(name)?.value ?? value) === value &&
        (files.env[name] === undefined || isMet(name));
      const isOfNoFile = part?.container.envFileOf(secret.variable) === undefined;
      const plain = isMet(secret.variable) || isOfNoFile ? [secret.variable] : [];
      const name = firstFree([...plain, ownName(service, secret.variable)], isFree);
      const example = urlText(found, `${username}:<password>@`);
      used.set(name, {
        value,
        variable: {
          name,
          services: [...new Set([...(used.get(name)?.variable.services ?? []), service])],
          value: secret.is === 'url' ? example : 'the password, percent-encoded for a URL',
          source: describeSource(found, part, shown),
          stand: secret.is === 'url' ? urlText(found, '') : 'password',
          envFile: isMet(name) ? files.origins.get(name) : undefined,
        },
      });
      return secret.is === 'url' ? `\${${name}}` : urlText(found, `${username}:\${${name}}@`);
    },
    isSet: (name) => files.env[name] !== undefined,
    list: () => [...used.values()].map(({ variable }) => variable),
  };
}

function ownName(service: string, variable: string): string {
  const plain = service.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_');
  return `${plain.replace(/^(\d)/, '_$1')}_${variable}`;
}

/** The first name that is free; the last name with a number when none is. */
function firstFree(names: readonly string[], isFree: (name: string) => boolean): string {
  const found = names.find(isFree);
  if (found !== undefined) return found;
  const last = names.at(-1) ?? '';
  for (let number = 2; ; number += 1) {
    if (isFree(`${last}_${number}`)) return `${last}_${number}`;
  }
}

/** Whether `text`, put where the config has the variable, means this Redis with this password. */
function isThisRedis(found: RedisFound, text: string): boolean {
  const { secret } = found;
  if (secret === undefined || secret.value === '' || text === '') return false;
  try {
    if (secret.is === 'password') {
      const { credentials } = parseRedisUrl(`redis://:${text}@host:1/0`);
      const password = secret.encode ? secret.value : decodeURIComponent(secret.value);
      return credentials?.password === password;
    }
    const one = readAddress(text);
    const { credentials } = readAddress(secret.value);
    return (
      leadsTo(found, one) &&
      one.credentials?.username === credentials?.username &&
      one.credentials?.password === credentials?.password
    );
  } catch {
    return false;
  }
}
