import { errorMessage } from '../errors.ts';
import { parseRedisUrl, parseSentinelUrls } from './redis-url.ts';
import type { ParsedRedisUrl, ParsedSentinelUrl } from './redis-url.ts';
import type { Address, Credentials, RedisTarget, TlsOptions } from '../redis/target.ts';
import type { JsonPath } from './json-path.ts';
import type { ProblemCollector } from './problems.ts';
import { resolveTls, resolveUrlTls } from './resolve-tls.ts';
import type { RedisDraft, TlsDraft } from './schema.ts';

type SentinelDraft = Extract<RedisDraft, { readonly sentinels?: unknown }>;

/** What the forms of `redis` need to become a target. */
interface Context {
  /** Of the form itself. */
  readonly path: JsonPath;
  /** Files are relative to it. */
  readonly directory: string;
  readonly problems: ProblemCollector;
}

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
  const context: Context = { path, directory, problems };
  if (typeof draft === 'string') return resolveServer(draft, path, undefined, context);
  if ('cluster' in draft) return resolveCluster(draft.cluster ?? [], draft.tls, context);
  if ('sentinels' in draft) return resolveSentinels(draft, context);
  if (!('url' in draft)) return undefined;
  return resolveServer(draft.url, [...path, 'url'], draft.tls, context);
}

function resolveServer(
  url: string | undefined,
  urlPath: JsonPath,
  draft: TlsDraft | undefined,
  context: Context,
): RedisTarget | undefined {
  const parsed = parse(url, urlPath, parseRedisUrl, context.problems);
  const tls = ownTls(draft, parsed?.tls !== undefined || parsed === undefined, context);
  if (parsed === undefined) return undefined;
  const ofUrl = resolveUrlTls(parsed.tls, context.directory, urlPath, context.problems);
  checkTwice(ofUrl, tls, context);
  const { address, db, credentials } = parsed;
  return {
    ...{ kind: 'server', address, db, credentials },
    tls: parsed.tls === undefined ? undefined : withoutDefault({ ...ofUrl, ...tls }),
  };
}

function resolveCluster(
  urls: readonly (string | undefined)[],
  draft: TlsDraft | undefined,
  context: Context,
): RedisTarget | undefined {
  const { problems } = context;
  const urlsPath = [...context.path, 'cluster'];
  if (urls.length === 0) problems.add(urlsPath, 'must not be empty: list at least one URL');
  const listed = urls.flatMap((url, index): ListedUrl[] => {
    const path = [...urlsPath, index];
    const parsed = parse(url, path, parseRedisUrl, problems);
    if (parsed === undefined) return [];
    if ('path' in parsed.address) {
      problems.add(path, 'must be a redis:// or rediss:// URL here, not a socket');
      return [];
    }
    if (parsed.db !== 0) {
      problems.add(path, 'a cluster has database 0 only: remove the database from the URL');
    }
    return [{ parsed, path, mayLackCredentials: false }];
  });
  const agreed = agreedUrls(listed, draft, context);
  if (agreed === undefined) return undefined;
  const { addresses: nodes, credentials, tls } = agreed;
  return { kind: 'cluster', nodes, credentials, tls };
}

function resolveSentinels(draft: SentinelDraft, context: Context): RedisTarget | undefined {
  const { path, problems } = context;
  const urlsPath = [...path, 'sentinels'];
  const written = draft.sentinels ?? [];
  const texts =
    typeof written === 'string'
      ? [{ text: written, path: urlsPath }]
      : written.map((text, index) => ({ text, path: [...urlsPath, index] }));
  if (texts.length === 0) problems.add(urlsPath, 'must not be empty: list at least one URL');
  const listed = texts.flatMap(({ text, path: urlPath }) =>
    (parse(text, urlPath, parseSentinelUrls, problems) ?? []).map((parsed) => ({
      ...{ parsed, path: urlPath },
      // Celery reads those of the first URL alone.
      mayLackCredentials: parsed.isCelery,
    })),
  );
  if (draft.name?.trim() === '') {
    problems.add(
      [...path, 'name'],
      'must not be empty: give the name of the master that the sentinels watch',
    );
  }
  const db = sentinelDatabase(draft, listed, context);
  const agreed = agreedUrls(listed, draft.tls, context);
  const own = sentinelCredentials(draft, context);
  if (agreed === undefined || draft.name === undefined) return undefined;
  const { addresses: sentinels, credentials, tls } = agreed;
  return {
    ...{ kind: 'sentinel', sentinels, name: draft.name, db, credentials, tls },
    // One password for both is the common setup.
    sentinelCredentials: own ?? credentials,
  };
}

/** Celery reads the database of the first URL; sentinels themselves have none. */
function sentinelDatabase(
  draft: SentinelDraft,
  listed: readonly { readonly parsed: ParsedSentinelUrl; readonly path: JsonPath }[],
  { path, problems }: Context,
): number {
  const ofUrl = listed[0]?.parsed.isCelery === true ? listed[0].parsed.db : undefined;
  for (const { parsed, path: urlPath } of listed) {
    if (parsed.isCelery) {
      if (parsed.db === undefined || parsed.db === (ofUrl ?? 0)) continue;
      problems.add(
        urlPath,
        'names another database than the first URL of the list, whose database Celery uses (0 where it names none): write the same in both',
      );
    } else if ((parsed.db ?? 0) !== 0) {
      problems.add(urlPath, "a sentinel has no databases: write the server's database as `db`");
    }
  }
  if (draft.db !== undefined && ofUrl !== undefined && draft.db !== ofUrl) {
    problems.add([...path, 'db'], 'is another database than that of the URL: keep one');
  }
  return draft.db ?? ofUrl ?? 0;
}

/** Of the sentinels alone; undefined: the file names none. */
function sentinelCredentials(
  { sentinelUsername: username, sentinelPassword: password }: SentinelDraft,
  { path, problems }: Context,
): Credentials | undefined {
  for (const [key, value] of Object.entries({
    sentinelUsername: username,
    sentinelPassword: password,
  })) {
    if (value === '') problems.add([...path, key], 'must not be empty: remove it, or give it');
  }
  if (username !== undefined && password === undefined) {
    if (!problems.isBroken([...path, 'sentinelPassword'])) {
      problems.add([...path, 'sentinelUsername'], 'needs `sentinelPassword` beside it');
    }
    return undefined;
  }
  return password === undefined ? undefined : { username, password };
}

interface ListedUrl {
  readonly parsed: Omit<ParsedRedisUrl, 'db'>;
  readonly path: JsonPath;
  readonly mayLackCredentials: boolean;
}

interface AgreedUrls {
  readonly addresses: readonly Address[];
  readonly credentials: Credentials | undefined;
  readonly tls: TlsOptions | undefined;
}

/** Several URLs of one installation: they must agree in everything but the address. */
function agreedUrls(
  listed: readonly ListedUrl[],
  draft: TlsDraft | undefined,
  context: Context,
): AgreedUrls | undefined {
  const { problems } = context;
  const first = listed[0]?.parsed;
  const tls = ownTls(draft, first?.tls !== undefined || first === undefined, context);
  if (first === undefined) return undefined;
  for (const { parsed, path, mayLackCredentials } of listed.slice(1)) {
    if ((first.tls === undefined) !== (parsed.tls === undefined)) {
      problems.add(path, 'must be rediss:// for all URLs of the list or for none');
    } else if (JSON.stringify(first.tls) !== JSON.stringify(parsed.tls)) {
      problems.add(path, 'must have the same TLS options as the first URL of the list');
    }
    const lacks = mayLackCredentials && parsed.credentials === undefined;
    if (!lacks && !sameCredentials(first.credentials, parsed.credentials)) {
      problems.add(path, 'must have the same user and password as the first URL of the list');
    }
  }
  const ofUrl = resolveUrlTls(first.tls, context.directory, listed[0]?.path ?? [], problems);
  checkTwice(ofUrl, tls, context);
  return {
    addresses: listed.map(({ parsed }) => parsed.address),
    credentials: first.credentials,
    tls: first.tls === undefined ? undefined : withoutDefault({ ...ofUrl, ...tls }),
  };
}

/** The key `tls`, with absolute paths; undefined: there is none. */
function ownTls(
  draft: TlsDraft | undefined,
  hasTls: boolean,
  { path, directory, problems }: Context,
): TlsOptions | undefined {
  if (draft === undefined) return undefined;
  const tls = resolveTls(draft, directory, [...path, 'tls'], problems);
  if (!hasTls) {
    problems.add(
      [...path, 'tls'],
      'needs a URL that begins with rediss://: change it, or remove `tls`',
    );
  }
  return tls;
}

function checkTwice(
  ofUrl: TlsOptions | undefined,
  tls: TlsOptions | undefined,
  { path, problems }: Context,
): void {
  for (const name of ['verify', 'ca', 'cert', 'key'] as const) {
    if (ofUrl?.[name] === undefined || tls?.[name] === undefined || ofUrl[name] === tls[name]) {
      continue;
    }
    problems.add([...path, 'tls', name], 'differs from the TLS options of the URL: keep one');
  }
}

/** The usual case is no option at all. */
function withoutDefault({ verify, ...others }: TlsOptions): TlsOptions {
  return verify === false ? { ...others, verify } : others;
}

function parse<T>(
  url: string | undefined,
  path: JsonPath,
  parser: (text: string) => T,
  problems: ProblemCollector,
): T | undefined {
  if (url === undefined || problems.isBroken(path)) return undefined;
  try {
    return parser(url);
  } catch (error) {
    problems.add(path, `the Redis URL ${errorMessage(error)}`);
    return undefined;
  }
}

function sameCredentials(a: Credentials | undefined, b: Credentials | undefined): boolean {
  return a?.username === b?.username && a?.password === b?.password;
}
