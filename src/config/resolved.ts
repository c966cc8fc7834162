import type { JsonPath } from './json-path.ts';
import type { ServiceConfig } from './types.ts';

export interface Located {
  readonly path: JsonPath;
  readonly value: string;
}

/** A service as far as it could be made out, with the places that the cross checks speak of. */
export interface ResolvedService {
  readonly path: JsonPath;
  readonly config: ServiceConfig;
  readonly prefixes: readonly Located[];
  readonly foreignPrefixes: readonly Located[];
  readonly indexKeys: readonly Located[];
  readonly queues: readonly Located[];
  readonly globalKeyPrefix: string;
}

/** The elements that are usable, each with its place in the file. */
export function located(
  elements: readonly (string | undefined)[] | undefined,
  path: JsonPath,
  isBroken: (path: JsonPath) => boolean,
): Located[] {
  return (elements ?? []).flatMap((value, index) => {
    const place = [...path, index];
    return value === undefined || isBroken(place) ? [] : [{ path: place, value }];
  });
}
