import { findConfigFile } from '../config/find.ts';
import { readEnvFiles } from '../config/env-file.ts';
import { loadConfig } from '../config/load.ts';
import type { ServiceCensus } from '../report/types.ts';
import { KINDS } from '../report/types.ts';
import { inspectForPlan } from './inspect-for-plan.ts';
import { earlierRuns } from '../runs/earlier-runs.ts';
import { stateDirectory } from '../runs/state-directory.ts';
import { closeServices, openServices } from './open-services.ts';
import type { Located } from './guard-targets.ts';
import { locateDirectories } from '../files/resolve.ts';
import type { StatsRequest } from './request.ts';
import type { Surroundings } from './surroundings.ts';
import { chooseServices } from './targets.ts';

/**
 * What is there now. Only looks, so no guard keeps it from showing a directory that a wipe refuses.
 * @throws CannotStart for a config or usage error, or the signal's reason.
 */
export async function stats(
  request: StatsRequest,
  surroundings: Surroundings,
  signal: AbortSignal,
): Promise<readonly ServiceCensus[]> {
  const { env, workingDirectory: cwd } = surroundings;
  const config = loadConfig({
    file: findConfigFile({ flag: request.configFile, env, cwd }),
    ...readEnvFiles(request.envFiles, surroundings),
  });
  const targets = chooseServices(config, request.targets);
  const located = new Map<string, Located>();
  for (const target of targets) located.set(target.name, await locateDirectories(target, signal));
  const state = stateDirectory({ ...surroundings, flag: undefined });
  const services = await openServices(config.services, targets, located, KINDS, signal, {
    earlier: earlierRuns(state),
  });
  try {
    const options = { seenNames: new Map<string, number>() };
    return await Promise.all(
      services.map(async (service) =>
        inspectForPlan(service, KINDS, 'without results', signal, options),
      ),
    );
  } finally {
    closeServices(services);
  }
}
