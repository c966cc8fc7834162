import type { Contender, Contest, Figures } from './bench.ts';

export interface Measured {
  readonly name: string;
  /** One for each round that it takes part in, in the contest's unit. */
  readonly values: readonly number[];
}

/** Every contender once a round, so that all have the same weather; each goes first in turn. */
export async function measure(contest: Contest, rounds: number): Promise<readonly Measured[]> {
  const contenders = [contest.ours, ...contest.peers];
  const values = new Map<Contender, number[]>(contenders.map((contender) => [contender, []]));
  // The first round of several only warms the disk's cache.
  const first = rounds > 2 ? -1 : 0;
  for (let round = first; round < rounds; round++) {
    const start = Math.max(round, 0) % contenders.length;
    const inTurn = [...contenders.slice(start), ...contenders.slice(0, start)].filter((contender) =>
      takesPart(contender, round),
    );
    for (const { make } of inTurn) await make?.();
    for (const contender of inTurn) {
      const value = await contender.run();
      if (round >= 0) values.get(contender)?.push(value);
    }
  }
  return contenders.map((contender) => ({
    name: contender.name,
    values: values.get(contender) ?? [],
  }));
}

/** @param round -1 is the one that is not measured. */
function takesPart({ rounds }: Contender, round: number): boolean {
  return rounds === undefined || (round >= 0 && round < rounds);
}

/** Lines for people: minimum, median and maximum of each, then ours divided by each peer, in pairs. */
export function contestLines(
  contest: Contest,
  measured: readonly Measured[],
  showTarget: boolean,
): string[] {
  const [ours, ...peers] = measured;
  if (ours === undefined) return [];
  const ratios = peers.map(({ name, values }) => ({
    name: `${ours.name} / ${name}`,
    values: values.map((value, round) => (ours.values[round] ?? Number.NaN) / value),
  }));
  const width = Math.max(...[...measured, ...ratios].map(({ name }) => name.length));
  const line = (name: string, values: readonly number[], digits: number, unit: string): string =>
    `  ${name.padEnd(width)}  ${[Math.min(...values), median(values), Math.max(...values)]
      .map((value) => value.toFixed(digits).padStart(8))
      .join('')} ${unit}`;
  const figures: Figures = {
    median: median(ours.values),
    max: Math.max(...ours.values),
    ratios: ratios.map(({ values }) => median(values)),
  };
  return [
    contest.title,
    `  ${''.padEnd(width)}  ${['min', 'median', 'max'].map((word) => word.padStart(8)).join('')}`,
    ...measured.map(({ name, values }) => line(name, values, 1, contest.unit ?? 'ms')),
    ...ratios.map(({ name, values }) => line(name, values, 2, 'times')),
    ...(contest.target === undefined || !showTarget
      ? []
      : [`  target: ${contest.target.text}: ${contest.target.met(figures) ? 'met' : 'MISSED'}`]),
  ];
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? upper;
  return (lower + upper) / 2;
}
