/** What `init` proposes: plain data, without a password anywhere. */

export interface DirectoryEntry {
  readonly path: string;
  readonly keep: readonly string[];
}

/** A URL, or sentinels with the name of the primary that they watch. */
export type RedisEntryForm = string | { readonly sentinels: string; readonly name: string };

/** A service of the config file, in the file's own words. */
export interface ServiceEntry {
  readonly redis?: RedisEntryForm;
  readonly keyPrefix?: string | readonly string[];
  readonly celery?: {
    readonly queues: readonly string[];
    readonly broker?: RedisEntryForm;
    readonly resultBackend?: RedisEntryForm;
  };
  readonly root?: string;
  readonly directories?: readonly (string | DirectoryEntry)[];
  readonly models?: readonly (string | DirectoryEntry)[];
}

/** Where a value of the config comes from. */
export interface Source {
  /** Of the service: `redis`, `broker`, `resultBackend`, `queues`, `keyPrefix`, `root`, `directories`, `models`. */
  readonly setting: string;
  readonly value: string;
  /** As messages name it; undefined: it was not read in a file. */
  readonly file: string | undefined;
  readonly line: number | undefined;
  /** The variable that holds the value, or how the value was found. */
  readonly how: string | undefined;
}

export interface ProposedService {
  readonly name: string;
  /** The containers that it was made from: `docker-compose.yml: api, worker`. */
  readonly from: readonly string[];
  /** `host:port/db`; undefined: none is written. */
  readonly redis: string | undefined;
  readonly broker: string | undefined;
  readonly entry: ServiceEntry;
  readonly sources: readonly Source[];
}

/** An environment variable that must be set wherever media-cleanup runs. */
export interface NeededVariable {
  readonly name: string;
  readonly services: readonly string[];
  /** What to put into it, with `<password>` where one belongs. */
  readonly value: string;
  /** Where the value stands and what has to be changed in it: `REDIS_PASSWORD of a/.env`. */
  readonly source: string;
  /** The URL it stands for, without the password: to check the config with. */
  readonly stand: string;
  /** Absolute: the env file that sets it to just this, for `--env-file`. */
  readonly envFile: string | undefined;
}

export interface Note {
  /** Undefined: about no service in particular. */
  readonly service: string | undefined;
  readonly message: string;
  /** Notes with the same text are shown together, with the items of all. */
  readonly group?: { readonly text: string; readonly item: string };
  /** A folder that is not proposed; such notes are shown together, by reason. */
  readonly folder?: {
    readonly label: string;
    readonly why: string;
    /** What to write into "directories" when the service writes it. */
    readonly line?: string;
  };
}

export interface Proposal {
  readonly services: readonly ProposedService[];
  readonly variables: readonly NeededVariable[];
  readonly notes: readonly Note[];
}
