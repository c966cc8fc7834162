/** What a compose file that is read only with `-f` is to the standard one beside it. Pure. */
import { isRedisUrl } from '../config/redis-url.ts';
import { celeryCommand } from './celery-command.ts';
import type { Container, Project } from './group-services.ts';
import { isInfrastructure } from './infrastructure.ts';
import { redisInEnvironment } from './redis-in-environment.ts';

/** It describes a deployment by itself: every service has a program, and one of them names Redis. */
export function isWhole({ services }: Project): boolean {
  const applications = services.filter(({ service }) => !isInfrastructure(service));
  return (
    applications.every(
      ({ service: { image, build } }) => image !== undefined || build !== undefined,
    ) &&
    applications.some(({ variables }) => {
      const { jobs, broker, results } = redisInEnvironment(variables, undefined);
      return jobs !== undefined || broker !== undefined || results !== undefined;
    })
  );
}

/** Settings that a wipe depends on. */
const DECIDES = /REDIS|BROKER|BACKEND|QUEUE|PREFIX|(?:DIR|DIRECTORY|PATH|FOLDER|ROOT|HOME|CACHE)$/i;

/** Whether `merged` says everything that `base` says of what a wipe depends on, and perhaps more. */
export function addsOnly(base: Project, merged: Project): boolean {
  return base.services.every((one) => {
    const other = merged.services.find(({ service }) => service.name === one.service.name);
    return other !== undefined && containerAddsOnly(one, other);
  });
}

function containerAddsOnly(one: Container, other: Container): boolean {
  const isSame = [...one.variables].every(
    ([name, { text }]) =>
      !(DECIDES.test(name) || isRedisUrl(text)) || other.variables.get(name)?.text === text,
  );
  const hasVolumes = one.service.volumes.every(({ target, source }) =>
    other.service.volumes.some(
      (volume) => volume.target === target && volume.source.text === source.text,
    ),
  );
  const hasPorts = one.service.ports.every((port) =>
    other.service.ports.some(
      ({ published, target }) => published === port.published && target === port.target,
    ),
  );
  return isSame && hasVolumes && hasPorts && queuesOf(one) === queuesOf(other);
}

function queuesOf({ service }: Container): string {
  const commands = service.commands.map(celeryCommand);
  return JSON.stringify(commands.flatMap((command) => command?.queues ?? []));
}
