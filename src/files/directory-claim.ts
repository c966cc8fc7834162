import { basename, dirname } from 'node:path';
import type { DirectoryConfig } from '../config/types.ts';
import { createGiveWay } from '../give-way.ts';
import { isPathPattern } from '../model/glob.ts';
import { fixedBase } from './match-pattern.ts';
import { realPlace } from './real-path.ts';
import type { LocatedDirectory } from './resolve.ts';
import { identityOfPath, upwards } from './within.ts';

/** What a run keeps others away from, as identities that are equal by whatever path. */
export interface Claim {
  readonly own: ReadonlySet<string>;
  /** The directories above those: another run that empties one of them empties them as well. */
  readonly above: ReadonlySet<string>;
}

/**
 * Of a service: its directories by device and inode, and by their name in the directory above, since
 * one may be made, or made anew, during a run. A pattern counts by its text as well, below its fixed
 * directory, for matches that are still to come.
 * @throws the signal's reason.
 */
export async function claimDirectories(
  root: string,
  configured: readonly DirectoryConfig[],
  located: readonly LocatedDirectory[],
  signal?: AbortSignal,
): Promise<Claim> {
  const giveWay = createGiveWay(signal);
  const own = new Set<string>();
  const above = new Set<string>();
  const identityOf = createIdentities();
  for (const { path } of located) {
    own.add(identityOf(path)).add(identityInParent(path, identityOf));
    const [, ...parents] = upwards(path);
    for (const parent of parents) above.add(identityOf(parent));
    await giveWay();
  }
  for (const { path } of configured) {
    if (!isPathPattern(path)) continue;
    const { base, rest } = fixedBase(root, path);
    own.add(`${identityOf(realPlace(base))}/${rest}`);
    await giveWay();
  }
  return { own, above };
}

/** Whether two runs with these claims would empty one directory, or one inside the other. */
export function collide(one: Claim, other: Claim): boolean {
  for (const identity of one.own) {
    if (other.own.has(identity) || other.above.has(identity)) return true;
  }
  for (const identity of one.above) if (other.own.has(identity)) return true;
  return false;
}

type IdentityOf = (path: string) => string;

/** Of what is not there: the nearest directory above, and the rest of the path. */
function createIdentities(): IdentityOf {
  const known = new Map<string, string>();
  const identityOf: IdentityOf = (path) => {
    let identity = known.get(path) ?? identityOfPath(path);
    identity ??= path === '/' ? path : identityInParent(path, identityOf);
    known.set(path, identity);
    return identity;
  };
  return identityOf;
}

function identityInParent(path: string, identityOf: IdentityOf): string {
  return `${identityOf(dirname(path))}/${basename(path)}`;
}
