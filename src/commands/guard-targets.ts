import { dirname } from 'node:path';
import type { Config, ServiceConfig } from '../config/types.ts';
import { CannotStart } from '../errors.ts';
import { createGiveWay } from '../give-way.ts';
import type { OwnPlace, Refusal } from '../files/guards.ts';
import { refusals } from '../files/guards.ts';
import { readMounts } from '../files/mounts.ts';
import { realPath, realPlace } from '../files/real-path.ts';
import { locateDirectories } from '../files/resolve.ts';
import type { Surroundings } from './surroundings.ts';

/**
 * Finds and guards the directories of `targets`. Every guard of every target ends here, before
 * anything is opened, connected or removed.
 * @throws CannotStart('refused') with all refusals, or the signal's reason.
 */
export async function guardTargets(
  config: Config,
  targets: readonly ServiceConfig[],
  surroundings: Surroundings,
  outputs: readonly OwnPlace[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Located>> {
  const { located, refused } = await judgeTargets(config, targets, surroundings, outputs, signal);
  if (refused.length > 0) {
    const problems = refused.map(({ path, message }) => ({ path, message }));
    throw new CannotStart('refused', problems.map(({ message }) => message).join('\n'), problems);
  }
  return located;
}

export interface Judged {
  readonly located: ReadonlyMap<string, Located>;
  readonly refused: readonly Refusal[];
}

/** Where the directories are, and why those of `targets` would be refused. */
export async function judgeTargets(
  config: Config,
  targets: readonly ServiceConfig[],
  surroundings: Surroundings,
  outputs: readonly OwnPlace[],
  signal: AbortSignal,
): Promise<Judged> {
  const located = new Map<string, Located>();
  const giveWay = createGiveWay(signal);
  for (const service of config.services) {
    located.set(service.name, await locateDirectories(service, signal));
    await giveWay();
  }
  const all = [...located.values()].flatMap(({ directories }) => directories);
  const names = new Set(targets.map((service) => service.name));
  const refused = await refusals(
    all.filter((directory) => names.has(directory.service)),
    all,
    {
      workingDirectory: realPath(surroundings.workingDirectory),
      configDirectories: [realPath(dirname(config.file)), dirname(realPath(config.file))],
      installation: realPath(surroundings.installation),
      interpreter: realPath(surroundings.interpreter),
      outputs: outputs.map(({ path, flag }) => ({ path: realPlace(path), flag })),
      homes: surroundings.homes,
      mounts: readMounts(),
    },
    signal,
  );
  return { located, refused };
}

export type Located = Awaited<ReturnType<typeof locateDirectories>>;
