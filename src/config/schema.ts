/**
 * The shape of the config file: types, keys and descriptions. What values mean and how they fit
 * together is checked in resolve-*.ts and cross-check.ts. `meta` is for editors only.
 */
import * as z from 'zod';
import { SERVICE_NAME } from './types.ts';

const text = (description: string) => z.string().meta({ minLength: 1 }).describe(description);
const texts = (description: string) =>
  z
    .array(z.string().meta({ minLength: 1 }))
    .meta({ minItems: 1 })
    .describe(description);

const redisUrl = z
  .string()
  .describe(
    'redis://, rediss:// (TLS), unix:// or redis+socket:// URL; valkey:// and valkeys:// too',
  );
const redisUrls = (description: string) =>
  z.array(redisUrl).meta({ minItems: 1 }).describe(description);

export const tlsSchema = z
  .strictObject({
    ca: text('PEM file with the certificate authority, relative to this file').optional(),
    cert: text('PEM file with the client certificate, relative to this file').optional(),
    key: text("PEM file with the client certificate's key, relative to this file").optional(),
    servername: text("Name to check the server's certificate against").optional(),
    verify: z
      .boolean()
      .meta({ default: true })
      .describe(
        'Whether the certificate of the server is checked; false: any server is trusted, and each run warns',
      )
      .optional(),
  })
  .describe('TLS options; only beside rediss:// URLs');

export const serverFormSchema = z
  .strictObject({
    url: redisUrl,
    tls: tlsSchema.optional(),
  })
  .describe('One Redis server');

export const clusterFormSchema = z
  .strictObject({
    cluster: redisUrls('URLs of some nodes, all redis:// or all rediss://, same credentials'),
    tls: tlsSchema.optional(),
  })
  .describe('A Redis Cluster');

export const sentinelFormSchema = z
  .strictObject({
    sentinels: z
      .union([
        z
          .string()
          .meta({ minLength: 1 })
          .describe(
            "One URL, or several with `;` between, like Celery's sentinel://a;sentinel://b/3",
          ),
        redisUrls('URLs'),
      ])
      .describe(
        'URLs of the sentinels: sentinel://, redis:// or rediss:// (default port 26379); their credentials are those of the server, and of the sentinels where `sentinelPassword` is absent',
      ),
    name: text("Name of the master that the sentinels watch (Celery's `master_name`)"),
    db: z.int().nonnegative().meta({ default: 0 }).describe('Database number').optional(),
    sentinelUsername: text(
      'User of the sentinels themselves; default: that of the URLs',
    ).optional(),
    sentinelPassword: text(
      'Password of the sentinels themselves; default: that of the URLs',
    ).optional(),
    tls: tlsSchema.optional(),
  })
  .describe('A server found through Redis Sentinel');

const redis = (description: string) =>
  z
    .union([redisUrl, serverFormSchema, clusterFormSchema, sentinelFormSchema])
    .describe(description);

export const celerySchema = z
  .strictObject({
    queues: texts("Names of the service's own Celery queues"),
    broker: redis("Redis that holds the queues; default: the service's `redis`").optional(),
    results: z
      .enum(['own', 'all', 'none'])
      .meta({ default: 'own' })
      .describe(
        'Which results go: own (of the jobs and messages that this wipe removes), all of the database, none',
      )
      .optional(),
    resultBackend: redis(
      "Redis that holds the results; default: the service's `redis`, or else the broker",
    ).optional(),
    resultKeyPrefix: z
      .string()
      .describe(
        "`global_keyprefix` of Celery's `result_backend_transport_options`, empty for none; default: `globalKeyPrefix`",
      )
      .optional(),
    globalKeyPrefix: z
      .string()
      .meta({ default: '' })
      .describe("Celery's `global_keyprefix`; default: none")
      .optional(),
    separator: text(
      "kombu's transport option `sep`; default: as what the workers wrote to Redis shows",
    ).optional(),
    unackedKey: text("kombu's transport option `unacked_key`; default: unacked").optional(),
    unackedIndexKey: text(
      "kombu's transport option `unacked_index_key`; default: unacked_index",
    ).optional(),
    fanoutPrefix: z
      .union([z.literal(false), text('Prefix')])
      .describe(
        "kombu's transport option `fanout_prefix`: text in which {db} stands for the database's number, or false; default: where workers listen",
      )
      .optional(),
    controlExchange: text("Celery's `control_exchange`; default: where workers listen").optional(),
  })
  .describe("The service's Celery queues and results");

export const directorySchema = z
  .strictObject({
    path: text('Path or glob pattern, relative to `root`'),
    mustBeMounted: z
      .boolean()
      .meta({ default: false })
      .describe('Refuse to wipe unless a file system is mounted there')
      .optional(),
    marker: text('Name of a file that must be in the directory, and that stays').optional(),
    keep: z
      .array(z.string().meta({ minLength: 1 }))
      .describe('Glob patterns, relative to the directory, of what stays')
      .optional(),
    optional: z
      .boolean()
      .meta({ default: false })
      .describe('The directory may be absent: no warning then')
      .optional(),
    mountsMayStay: z
      .boolean()
      .meta({ default: false })
      .describe(
        'What is mounted below the directory, which a wipe never enters, may stay: a wipe is verified all the same',
      )
      .optional(),
  })
  .describe('A directory with conditions');

const directories = (description: string) =>
  z
    .array(z.union([text('Path or glob pattern, relative to `root`'), directorySchema]))
    .describe(description);

export const serviceSchema = z
  .strictObject({
    redis: redis(
      'Redis that holds the jobs; leave it out for a service with files only',
    ).optional(),
    keyPrefix: z
      .union([text('Prefix'), z.array(z.string().meta({ minLength: 1 })).describe('Prefixes')])
      .describe(
        'A job key is any key that begins with this (or one of these), literally; [] says that the service has no jobs in Redis',
      )
      .optional(),
    indexKeys: z
      .union([text('Name or pattern'), texts('Names or patterns')])
      .describe(
        'Names or patterns (* ? [abc]) of keys that list the jobs, like svc:jobs:list: removed with the jobs, not counted as jobs',
      )
      .optional(),
    foreignKeyPrefixes: z
      .union([text('Prefix'), texts('Prefixes')])
      .describe(
        "Prefixes of keys in the same database that belong to other programs: never taken for this service's jobs, and no reason to warn",
      )
      .optional(),
    timeZone: text(
      "Time zone of times without one in the jobs' `created_at`, as an IANA name like Europe/Berlin; default: UTC",
    ).optional(),
    celery: celerySchema.optional(),
    root: text(
      "Directory that the service's paths are relative to, itself relative to this file; default: this file's directory",
    ).optional(),
    directories: directories(
      'Directories to empty: everything inside goes, the directory itself stays',
    ).optional(),
    models: directories('Directories to empty whose files count as models').optional(),
  })
  .describe('What one service holds');

export const configSchema = z
  .strictObject({
    $schema: z.string().describe('Schema of this file, for editors').optional(),
    services: z
      .record(z.string().meta({ pattern: SERVICE_NAME.source }), serviceSchema)
      .meta({ minProperties: 1 })
      .describe('The services, by the name that `media-cleanup <name>` takes'),
  })
  .describe('Config of media-cleanup: what a total reset of each service removes');

/** A config of which any part may be missing, because it was wrong and has been reported. */
type Draft<T> = T extends readonly (infer Element)[]
  ? readonly (Draft<Element> | undefined)[]
  : T extends object
    ? { readonly [Key in keyof T]?: Draft<T[Key]> | undefined }
    : T;

export type ConfigDraft = Draft<z.infer<typeof configSchema>>;
export type ServiceDraft = Draft<z.infer<typeof serviceSchema>>;
export type CeleryDraft = Draft<z.infer<typeof celerySchema>>;
export type DirectoryDraft = Draft<z.infer<typeof directorySchema>>;
export type TlsDraft = Draft<z.infer<typeof tlsSchema>>;
export type RedisDraft =
  | string
  | Draft<z.infer<typeof serverFormSchema>>
  | Draft<z.infer<typeof clusterFormSchema>>
  | Draft<z.infer<typeof sentinelFormSchema>>;
