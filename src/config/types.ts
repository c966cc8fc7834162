import type { BrokerSettings } from '../model/broker-settings.ts';
import type { RedisTarget } from '../redis/target.ts';

/** A checked configuration: variables expanded, URLs parsed, `root` absolute, defaults filled in. */
export interface Config {
  /** Absolute path of the file in use. */
  readonly file: string;
  readonly services: readonly ServiceConfig[];
}

export interface ServiceConfig {
  readonly name: string;
  readonly redis: RedisTarget | undefined;
  /** Job keys begin with one of these, literally. Never empty strings. */
  readonly keyPrefixes: readonly string[];
  /**
   * Whether the file says which keys are jobs: `named` by `keyPrefixes`; `none`: `"keyPrefix": []`,
   * or no Redis for jobs; `not said`: a `redis` without `keyPrefix`, so nobody knows.
   */
  readonly jobKeys: 'named' | 'none' | 'not said';
  /** Names or glob patterns (as Redis' MATCH reads them) of keys that list jobs; wiped with the jobs. */
  readonly indexKeys: readonly string[];
  /** Keys that begin with one of these are other programs'. None overlaps with a key prefix. */
  readonly foreignKeyPrefixes: readonly string[];
  /** IANA name, as written; of times without a zone in the jobs. */
  readonly timeZone: string | undefined;
  readonly celery: CeleryConfig | undefined;
  /** Absolute; not resolved through symbolic links. */
  readonly root: string;
  /** Whether the file names a `root`: then a missing one is a mistake and not an empty service. */
  readonly rootConfigured: boolean;
  readonly directories: readonly DirectoryConfig[];
  readonly models: readonly DirectoryConfig[];
}

/** The app's own settings (see `BrokerSettings`); undefined: Celery's default, or what Redis shows. */
export interface CeleryConfig extends BrokerSettings {
  readonly queues: readonly string[];
  readonly broker: RedisTarget;
  readonly results: 'own' | 'all' | 'none';
  /** Undefined: results are where the jobs are, or else in the broker. */
  readonly resultBackend?: RedisTarget | undefined;
}

export interface DirectoryConfig {
  /** As written, after variables: a path or a glob pattern, relative to `root` or absolute. */
  readonly path: string;
  readonly mustBeMounted: boolean;
  /** Name of a file that must be in the directory and stays. */
  readonly marker: string | undefined;
  /** Patterns of what stays, relative to the directory. */
  readonly keep: readonly string[];
  /** The directory may be absent: then nothing is said. */
  readonly optional: boolean;
  /** Mount points below it, which a wipe never enters, leave it verified all the same. */
  readonly mountsMayStay?: boolean;
}

/** What a service may be called. */
export const SERVICE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/** Names that commands have or will have; no service may be called so. */
export const RESERVED_NAMES = [
  'all',
  'wipe',
  'stats',
  'doctor',
  'init',
  'status',
  'logs',
  'completion',
  'help',
] as const;
