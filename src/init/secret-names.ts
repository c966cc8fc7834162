/** Which variable a password stands in: no password is written into a config. */
import { parseRedisUrl } from '../redis/target.ts';
import type { Part } from './group-services.ts';
import type { NeededVariable } from './proposal.ts';
import { labelOf } from './redis-in-environment.ts';
import type { RedisFound } from './redis-in-environment.ts';

export interface SecretNames {
  urlOf(found: RedisFound, service: string, part: Part | undefined): string;
  list(): readonly NeededVariable[];
}

/**
 * One name for one secret. The name is that of the stack's own variable where this holds just what
 * the config needs; a variable of the stack that holds something else (a URL with the host of a
 * container) gets the service's name before it, so that an env file cannot set it wrongly.
 */
export function createSecretNames(): SecretNames {
  const used = new Map<string, { readonly value: string; readonly variable: NeededVariable }>();
  return {
    urlOf(found, service, part) {
      const { secret, username } = found;
      const scheme = found.tls ? 'rediss' : 'redis';
      const place = labelOf(found);
      if (secret === undefined) return `${scheme}://${place}`;
      const own = `${service
        .toUpperCase()
        .replaceAll(/[^A-Z0-9]/g, '_')
        .replace(/^(\d)/, '_$1')}_${secret.variable}`;
      const value = secret.is === 'url' ? place + secret.value : secret.value;
      const envFile = part?.container.envFileOf(secret.variable);
      const isMet = envFile !== undefined && isUsable(found);
      const taken = used.get(secret.variable);
      const isFree = taken === undefined || taken.value === value;
      const name = isFree && (isMet || envFile === undefined) ? secret.variable : own;
      const encoded = secret.encode
        ? 'percent-encoded (it becomes part of a URL)'
        : 'as in the URL';
      const example = `${scheme}://${username}:<password>@${place}`;
      used.set(name, {
        value,
        variable: {
          name,
          services: [...new Set([...(used.get(name)?.variable.services ?? []), service])],
          value: secret.is === 'url' ? example : `the password, ${encoded}`,
          stand: secret.is === 'url' ? `${scheme}://${place}` : 'password',
          envFile: isMet && name === secret.variable ? envFile : undefined,
        },
      });
      return secret.is === 'url' ? `\${${name}}` : `${scheme}://${username}:\${${name}}@${place}`;
    },
    list: () => [...used.values()].map(({ variable }) => variable),
  };
}

/** Whether the variable's own value, put where the config has the variable, means this Redis. */
function isUsable(found: RedisFound): boolean {
  const { secret, host, port, db } = found;
  if (secret === undefined || secret.value === '') return false;
  try {
    const url = secret.is === 'url' ? secret.value : `redis://:${secret.value}@host:1/0`;
    const { address, db: ownDb, credentials } = parseRedisUrl(url);
    if (secret.is === 'password') {
      const { value } = secret;
      return credentials?.password === (secret.encode ? value : decodeURIComponent(value));
    }
    return 'host' in address && address.host === host && address.port === port && ownDb === db;
  } catch {
    return false;
  }
}
