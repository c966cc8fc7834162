import { realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Config, ServiceConfig } from '../config/types.ts';
import { CannotStart } from '../errors.ts';
import type { Problem } from '../errors.ts';
import type { OwnPlace } from '../files/guards.ts';
import { refusals } from '../files/guards.ts';
import { readMounts } from '../files/mounts.ts';
import { locateDirectories } from '../files/resolve.ts';
import type { Surroundings } from './surroundings.ts';

/**
 * Finds and guards the directories of `targets`. Every guard of every target ends here, before
 * anything is opened, connected or removed.
 * @throws CannotStart('refused') with all refusals.
 */
export async function guardTargets(
  config: Config,
  targets: readonly ServiceConfig[],
  surroundings: Surroundings,
  outputs: readonly OwnPlace[],
): Promise<ReadonlyMap<string, Located>> {
  const { located, problems } = await judgeTargets(config, targets, surroundings, outputs);
  if (problems.length > 0) {
    throw new CannotStart('refused', problems.map(({ message }) => message).join('\n'), problems);
  }
  return located;
}

/** Where the directories are, and why those of `targets` would be refused. */
export async function judgeTargets(
  config: Config,
  targets: readonly ServiceConfig[],
  surroundings: Surroundings,
  outputs: readonly OwnPlace[],
): Promise<{
  readonly located: ReadonlyMap<string, Located>;
  readonly problems: readonly Problem[];
}> {
  const located = new Map<string, Located>();
  for (const service of config.services) {
    located.set(service.name, await locateDirectories(service));
  }
  const all = [...located.values()].flatMap(({ directories }) => directories);
  const names = new Set(targets.map((service) => service.name));
  const problems = refusals(
    all.filter((directory) => names.has(directory.service)),
    all,
    {
      workingDirectory: realPath(surroundings.workingDirectory),
      configDirectories: [realPath(dirname(config.file)), dirname(realPath(config.file))],
      installation: realPath(surroundings.installation),
      interpreter: realPath(surroundings.interpreter),
      outputs: outputs.map(({ path, flag }) => ({ path: realPlace(path), flag })),
      homes: surroundings.homes.map(realPath),
      mounts: readMounts(),
    },
  );
  return { located, problems };
}

export type Located = Awaited<ReturnType<typeof locateDirectories>>;

export function realPath(path: string): string {
  try {
    return realpathSync.native(path);
  } catch {
    return path;
  }
}

/** Of what need not be there yet: as far as it is. */
export function realPlace(path: string): string {
  const above = dirname(path);
  const real = realPath(path);
  return real !== path || above === path ? real : join(realPlace(above), basename(path));
}
