/**
 * Lets several contests show different figures of the same runs: the first run of a contender in
 * each contest is the same run, and so on. What it returns makes a `run` for one contest.
 */
export function sharedRuns<Outcome>(
  run: () => Promise<Outcome>,
): (figure: (outcome: Outcome) => number) => () => Promise<number> {
  const outcomes: Promise<Outcome>[] = [];
  return (figure) => {
    let next = 0;
    return async () => {
      const outcome = (outcomes[next] ??= run());
      next += 1;
      return figure(await outcome);
    };
  };
}
