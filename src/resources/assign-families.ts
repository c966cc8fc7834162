/**
 * Which of several services in one database a family of job-like keys belongs to. Pure: the prefix
 * that a hint proposes for one service must never be another one's.
 */

/** What speaks for one service. */
export interface Claim {
  readonly service: string;
  /** Keys of the family have ids of tasks that wait in the service's queues. */
  readonly hasTaskIds: boolean;
  /** Words that the prefix shares with the service's names; 0: a prefix that any service may use. */
  readonly words: number;
  /** The config's own prefix of the service matches keys of the database: its jobs are known. */
  readonly isServed: boolean;
}

/**
 * The claimants of each family, by its index: none, one, or several where nothing tells them apart.
 * Ids of waiting tasks decide; then words of the name, for services whose own prefix matches nothing
 * first; a prefix of generic words is for a service that has got no other family.
 */
export function assignFamilies(
  families: readonly (readonly Claim[])[],
): readonly (readonly string[])[] {
  const assigned: string[][] = families.map((claims) => best(claims.filter(isSpecific)));
  const provided = new Set(assigned.flat());
  return families.map((claims, index) => {
    const specific = assigned[index] ?? [];
    if (specific.length > 0) return specific;
    const generic = claims.filter((claim) => !isSpecific(claim));
    const open = generic.filter(({ service, isServed }) => !isServed && !provided.has(service));
    // Of services that have their jobs: far more keys of another prefix may still be theirs.
    return (open.length > 0 ? open : generic).map(({ service }) => service);
  });
}

function isSpecific({ hasTaskIds, words }: Claim): boolean {
  return hasTaskIds || words > 0;
}

function best(claims: readonly Claim[]): string[] {
  const rank = ({ hasTaskIds, isServed, words }: Claim): number =>
    (hasTaskIds ? 1_000 : 0) + (isServed ? 0 : 100) + Math.min(words, 99);
  const highest = Math.max(0, ...claims.map(rank));
  return claims.filter((claim) => rank(claim) === highest).map(({ service }) => service);
}
