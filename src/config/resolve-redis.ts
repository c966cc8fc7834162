import { errorMessage } from '../errors.ts';
import { parseRedisUrl } from '../redis/target.ts';
import type {
  Address,
  Credentials,
  ParsedRedisUrl,
  RedisTarget,
  TlsOptions,
} from '../redis/target.ts';
import type { JsonPath } from './json-path.ts';
import type { ProblemCollector } from './problems.ts';
import { resolveTls } from './resolve-tls.ts';
import type { RedisDraft } from './schema.ts';

const SENTINEL_PORT = 26379;

/**
 * The target of `redis` or `broker`; undefined when something is wrong with it, which has then
 * been added to the problems. TLS files are relative to `directory` and must be readable now.
 */
export function resolveRedis(
  draft: RedisDraft,
  path: JsonPath,
  directory: string,
  problems: ProblemCollector,
): RedisTarget | undefined {
  if (typeof draft === 'string') return resolveServer(draft, path, undefined);
  if ('cluster' in draft) return resolveCluster(draft.cluster ?? [], [...path, 'cluster']);
  if ('sentinels' in draft) return resolveSentinels(draft);
  if (!('url' in draft)) return undefined;
  const tls =
    draft.tls === undefined
      ? undefined
      : resolveTls(draft.tls, directory, [...path, 'tls'], problems);
  return resolveServer(draft.url, [...path, 'url'], tls);

  function resolveServer(
    url: string | undefined,
    urlPath: JsonPath,
    tls: TlsOptions | undefined,
  ): RedisTarget | undefined {
    const parsed = parse(url, urlPath, problems);
    if (parsed === undefined) return undefined;
    if (tls !== undefined && !parsed.tls) {
      problems.add(
        [...path, 'tls'],
        'needs a URL that begins with rediss://: change it, or remove `tls`',
      );
    }
    const { address, db, credentials } = parsed;
    return { kind: 'server', address, db, credentials, tls: parsed.tls ? (tls ?? {}) : undefined };
  }

  function resolveCluster(
    urls: readonly (string | undefined)[],
    urlsPath: JsonPath,
  ): RedisTarget | undefined {
    const agreed = resolveUrls(
      urls,
      urlsPath,
      'a cluster has database 0 only: remove the database from the URL',
    );
    return (
      agreed && {
        kind: 'cluster',
        nodes: agreed.addresses,
        credentials: agreed.credentials,
        tls: agreed.tls,
      }
    );
  }

  function resolveSentinels(
    sentinel: Extract<RedisDraft, { readonly sentinels?: unknown }>,
  ): RedisTarget | undefined {
    const agreed = resolveUrls(
      sentinel.sentinels ?? [],
      [...path, 'sentinels'],
      "a sentinel has no databases: write the server's database as `db`",
      SENTINEL_PORT,
    );
    if (sentinel.name?.trim() === '') {
      problems.add(
        [...path, 'name'],
        'must not be empty: give the name of the master that the sentinels watch',
      );
    }
    if (agreed === undefined || sentinel.name === undefined) return undefined;
    return {
      kind: 'sentinel',
      sentinels: agreed.addresses,
      name: sentinel.name,
      db: sentinel.db ?? 0,
      // One set of credentials for both is the common setup, and the file has place for one only.
      credentials: agreed.credentials,
      sentinelCredentials: agreed.credentials,
      tls: agreed.tls,
    };
  }

  /** Several URLs of one installation: they must agree in everything but the address. */
  function resolveUrls(
    urls: readonly (string | undefined)[],
    urlsPath: JsonPath,
    databaseMessage: string,
    defaultPort?: number,
  ): AgreedUrls | undefined {
    if (urls.length === 0) problems.add(urlsPath, 'must not be empty: list at least one URL');
    const addresses: Address[] = [];
    let first: ParsedRedisUrl | undefined;
    for (const [index, url] of urls.entries()) {
      const urlPath = [...urlsPath, index];
      const parsed = parse(url, urlPath, problems);
      if (url === undefined || parsed === undefined) continue;
      if ('path' in parsed.address) {
        problems.add(urlPath, 'must be a redis:// or rediss:// URL here, not a socket');
        continue;
      }
      if (parsed.db !== 0) problems.add(urlPath, databaseMessage);
      if (first !== undefined && first.tls !== parsed.tls) {
        problems.add(urlPath, 'must be rediss:// for all URLs of the list or for none');
      }
      if (first !== undefined && !sameCredentials(first.credentials, parsed.credentials)) {
        problems.add(urlPath, 'must have the same user and password as the first URL of the list');
      }
      first ??= parsed;
      const portGiven = new URL(url).port !== '';
      addresses.push(
        defaultPort === undefined || portGiven
          ? parsed.address
          : { ...parsed.address, port: defaultPort },
      );
    }
    return first && { addresses, credentials: first.credentials, tls: first.tls ? {} : undefined };
  }
}

interface AgreedUrls {
  readonly addresses: readonly Address[];
  readonly credentials: Credentials | undefined;
  readonly tls: TlsOptions | undefined;
}

function parse(
  url: string | undefined,
  path: JsonPath,
  problems: ProblemCollector,
): ParsedRedisUrl | undefined {
  if (url === undefined || problems.isBroken(path)) return undefined;
  try {
    return parseRedisUrl(url);
  } catch (error) {
    problems.add(path, `the Redis URL ${errorMessage(error)}`);
    return undefined;
  }
}

function sameCredentials(a: Credentials | undefined, b: Credentials | undefined): boolean {
  return a?.username === b?.username && a?.password === b?.password;
}
