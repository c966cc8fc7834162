/** Which compose files of a folder belong together. Reads names only. */
import { join } from 'node:path';

/** In the order in which Docker Compose looks for them. */
const COMPOSE_FILES = ['compose.yaml', 'compose.yml', 'docker-compose.yml', 'docker-compose.yaml'];
const OVERRIDE_FILES = [
  ...['compose.override.yml', 'compose.override.yaml'],
  ...['docker-compose.override.yml', 'docker-compose.override.yaml'],
];
/** `docker-compose.gpu.yml`, `compose-prod.yaml`; not `docker-compose.yml.bak`. */
const VARIANT = /^(?:docker-)?compose[._-]([\w.-]+)\.ya?ml$/;
/** Made to be copied: the values are not those of a deployment. */
const SAMPLE = /^(?:.*[._-])?(?:example|sample|template|dist)(?:[._-].*)?$/;

/** Folders beside the code that compose files are often kept in. */
export const COMPOSE_FOLDERS = ['docker', 'deploy', 'deployment', 'compose', '.docker'];

export interface ComposeFiles {
  /** What `docker compose up` reads there: base and override. Empty: no base. */
  readonly standard: readonly string[];
  /** Read only with `-f`: `docker-compose.gpu.yml`. */
  readonly variants: readonly string[];
  /** Bases that Compose passes over. */
  readonly passedOver: readonly string[];
}

/** Absolute paths. */
export function composeFilesIn(folder: string, names: readonly string[]): ComposeFiles {
  const known = new Set(names);
  const [base, ...passedOver] = COMPOSE_FILES.filter((name) => known.has(name));
  const override = OVERRIDE_FILES.find((name) => known.has(name));
  const variants = names.filter((name) => {
    const variant = VARIANT.exec(name)?.[1];
    return variant !== undefined && !OVERRIDE_FILES.includes(name) && !SAMPLE.test(variant);
  });
  const standard = base === undefined ? [] : [base, ...(override === undefined ? [] : [override])];
  const paths = (list: readonly string[]): readonly string[] =>
    list.map((name) => join(folder, name));
  return {
    standard: paths(standard),
    variants: paths(variants.toSorted()),
    passedOver: paths(passedOver),
  };
}
