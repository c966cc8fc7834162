/** Where the host reaches a Redis that containers reach by its name or through a socket. */
import { join, posix, resolve } from 'node:path';
import type { ComposeService } from './compose.ts';

export interface Reachable {
  readonly host: string;
  readonly port: number;
  /** Why it may not be reachable; undefined when it is. */
  readonly doubt: string | undefined;
}

/** `own`: the services of its project; `others`: of the projects beside it. */
export function reachableFromHost(
  place: { readonly host: string; readonly port: number },
  own: readonly ComposeService[],
  others: readonly ComposeService[],
): Reachable {
  const { host, port } = place;
  const named = (service: ComposeService): boolean => service.aliases.includes(host);
  const service = own.find(named) ?? others.find(named);
  if (service === undefined) {
    // A name without a dot is one of a container network, here of one that nothing describes.
    const isLocal = host === 'localhost' || /[.:]/.test(host);
    const doubt = isLocal
      ? undefined
      : `no compose file here has a service \`${host}\`: write the host name or address that this machine knows it by`;
    return { host, port, doubt };
  }
  if (service.hostNetwork) return { host: '127.0.0.1', port, doubt: undefined };
  const published = service.ports.find(({ target }) => target === port);
  if (published === undefined) {
    return {
      host,
      port,
      doubt: `\`${host}\` is a name of the compose network and port ${port} is not published: add \`ports: ["127.0.0.1:${port}:${port}"]\` to the service \`${service.name}\`, and write 127.0.0.1 here`,
    };
  }
  const { hostAddress } = published;
  const anywhere = ['', '0.0.0.0', '::', 'localhost'].includes(hostAddress);
  return {
    host: anywhere ? '127.0.0.1' : hostAddress,
    port: published.published,
    doubt: undefined,
  };
}

/** Where a Unix socket of a container is on the host. */
export function socketOnHost(
  path: string,
  { volumes }: ComposeService,
  project: { readonly kind: 'compose' | 'env'; readonly directory: string },
): { readonly path: string | undefined; readonly doubt: string | undefined } {
  if (project.kind === 'env') return { path, doubt: undefined };
  const [mount] = volumes
    .map((volume) => ({ ...volume, rest: posix.relative(volume.target, path) }))
    .filter(({ rest, target }) => target !== '' && !rest.startsWith('..'))
    .toSorted((a, b) => b.target.length - a.target.length);
  if (mount === undefined || mount.kind === 'named' || mount.source.missing.length > 0) {
    const doubt = `the socket ${path} is in the container, where no folder of this machine is mounted: write its path here by hand, as unix:///…`;
    return { path: undefined, doubt };
  }
  const source = resolve(project.directory, mount.source.text);
  return { path: mount.rest === '' ? source : join(source, mount.rest), doubt: undefined };
}
