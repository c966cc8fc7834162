/**
 * Compose files as far as `init` needs them: text in, data out. Values may hold passwords; nothing
 * of the text is repeated in an error.
 */
import { interpolate } from '../config/interpolate.ts';
import type { Interpolated, Lookup } from '../config/interpolate.ts';
import type { ComposeSource } from './compose-document.ts';
import { readModel } from './compose-model.ts';
import type { ComposeReader } from './compose-model.ts';
import { asMap, buildOf, environmentOf, listOf, scalar } from './compose-nodes.ts';
import type { Node } from './compose-nodes.ts';

export interface ComposePort {
  readonly hostAddress: string;
  readonly published: number;
  readonly target: number;
}

export interface ComposeVolume {
  /** As the file has it, to find its line. */
  readonly written: string;
  readonly source: Interpolated;
  /** Path in the container. */
  readonly target: string;
  readonly readOnly: boolean;
  readonly kind: 'bind' | 'named';
}

export interface ComposeService {
  readonly name: string;
  readonly image: string | undefined;
  /** Names by which other containers reach it. */
  readonly aliases: readonly string[];
  /** `context` as written, relative to the project. */
  readonly build: { readonly context: string; readonly dockerfile: string } | undefined;
  /** Entry point and command. */
  readonly commands: readonly (string | readonly string[])[];
  readonly environment: ReadonlyMap<string, Interpolated>;
  readonly envFiles: readonly string[];
  readonly volumes: readonly ComposeVolume[];
  readonly ports: readonly ComposePort[];
  readonly hostNetwork: boolean;
  readonly workingDirectory: string | undefined;
  readonly profiles: readonly string[];
  /** Files that it extends and that were not read: what they say of it is not known. */
  readonly unread: readonly string[];
  /** Absolute: the file that an `include` names and that it comes from. */
  readonly includedFrom: string | undefined;
}

export interface Compose {
  /** The project's name, where the file gives one. */
  readonly name: string | undefined;
  readonly services: readonly ComposeService[];
  /** Variables that are not set and have no default, sorted. */
  readonly unset: readonly string[];
  /** What was seen and not followed. */
  readonly notes: readonly string[];
  /** Files that its services extend or include. */
  readonly imported: readonly ComposeSource[];
}

/**
 * One project: its file, and those that override it, in this order.
 * @param directory absolute, of the project.
 * @throws CannotStart('config') for what is no compose file, with file, line and column.
 */
export async function parseCompose(
  sources: readonly ComposeSource[],
  directory: string,
  lookup: Lookup,
  reader: ComposeReader,
): Promise<Compose> {
  const missing = new Set<string>();
  const expandWith =
    (own: Lookup) =>
    (value: unknown): Interpolated => {
      const expanded = interpolate(scalar(value), own);
      for (const name of expanded.missing) missing.add(name);
      return expanded;
    };
  const model = await readModel(sources, directory, lookup, reader);
  const services = [...model.services].map(
    ([key, { node, lookup: own, unread, includedFrom }]): ComposeService => ({
      ...readService(key, node, model.volumes, expandWith(own), own),
      ...{ unread, includedFrom },
    }),
  );
  const { name, notes, imported } = model;
  return { name, services, unset: [...missing].toSorted(), notes, imported };
}

function readService(
  name: string,
  node: Node,
  namedVolumes: ReadonlyMap<string, unknown>,
  expand: (value: unknown) => Interpolated,
  lookup: Lookup,
): Omit<ComposeService, 'unread' | 'includedFrom'> {
  const text = (value: unknown): string | undefined =>
    value === undefined || value === null ? undefined : expand(value).text;
  const build = buildOf(node.get('build'));
  const networks = [...(asMap(node.get('networks'))?.values() ?? [])];
  const volumes = listOf(node.get('volumes')).flatMap((entry) =>
    readVolume(entry, namedVolumes, expand),
  );
  return {
    name,
    image: text(node.get('image')),
    aliases: [
      name,
      ...[node.get('container_name'), node.get('hostname')].flatMap((one) => text(one) ?? []),
      ...networks.flatMap((network) => listOf(asMap(network)?.get('aliases')).map(scalar)),
    ],
    build:
      build.size === 0
        ? undefined
        : {
            context: text(build.get('context')) ?? '.',
            dockerfile: text(build.get('dockerfile')) ?? 'Dockerfile',
          },
    commands: [node.get('entrypoint'), node.get('command')].flatMap(
      (command): (string | readonly string[])[] =>
        Array.isArray(command)
          ? [command.map((word) => expand(word).text)]
          : [text(command) ?? []].flat(),
    ),
    environment: new Map(
      [...environmentOf(node.get('environment'))].map(([key, value]) => [
        key,
        value === undefined ? passedThrough(key, lookup) : expand(value),
      ]),
    ),
    envFiles: listOf(node.get('env_file')).flatMap(
      (entry) => text(asMap(entry)?.get('path') ?? entry) ?? [],
    ),
    // Of two at one place the later one overrides.
    volumes: [...new Map(volumes.map((volume) => [volume.target, volume])).values()],
    ports: listOf(node.get('ports')).flatMap((entry) => readPort(entry, (value) => text(value))),
    hostNetwork: text(node.get('network_mode')) === 'host',
    workingDirectory: text(node.get('working_dir')),
    profiles: listOf(node.get('profiles')).map(scalar),
  };
}

/** `- NAME` without a value: that of the environment. */
function passedThrough(name: string, lookup: Lookup): Interpolated {
  const value = lookup(name);
  const pieces = [{ text: value ?? '', variable: name }];
  return { text: value ?? '', pieces, missing: value === undefined ? [name] : [] };
}

function readVolume(
  entry: unknown,
  namedVolumes: ReadonlyMap<string, unknown>,
  expand: (value: unknown) => Interpolated,
): ComposeVolume[] {
  const long = asMap(entry);
  if (long !== undefined) {
    const kind = scalar(long.get('type'));
    if (!long.has('source') || (kind !== 'bind' && kind !== 'volume')) return [];
    const volume = {
      written: scalar(long.get('source')),
      source: expand(long.get('source')),
      target: expand(long.get('target')).text,
      readOnly: long.get('read_only') === true,
    };
    return [kind === 'bind' ? { ...volume, kind } : resolveNamed(volume, namedVolumes, expand)];
  }
  const whole = expand(entry);
  const match = /^([^:]*):([^:]+)(?::(.*))?$/.exec(whole.text);
  // A path alone is an anonymous volume: it goes with its container.
  if (match === null) return [];
  const [, source = '', target = '', mode = ''] = match;
  const volume = {
    written: scalar(entry),
    source: { ...whole, text: source },
    target,
    readOnly: mode.split(',').includes('ro'),
  };
  if (/^(?:[./~]|$)/.test(source)) return [{ ...volume, kind: 'bind' }];
  return [resolveNamed(volume, namedVolumes, expand)];
}

/** A named volume that only gives a folder of the host a name is that folder. */
function resolveNamed(
  volume: Omit<ComposeVolume, 'kind'>,
  namedVolumes: ReadonlyMap<string, unknown>,
  expand: (value: unknown) => Interpolated,
): ComposeVolume {
  const options = asMap(asMap(namedVolumes.get(volume.source.text))?.get('driver_opts'));
  const isBind = scalar(options?.get('o')).split(',').includes('bind');
  if (!isBind || options?.get('device') === undefined) return { ...volume, kind: 'named' };
  return { ...volume, source: expand(options.get('device')), kind: 'bind' };
}

/** Ports without a fixed one on the host are left out: nobody knows where they are. */
function readPort(
  entry: unknown,
  text: (value: unknown) => string | undefined,
): readonly ComposePort[] {
  const long = asMap(entry);
  if (long !== undefined) {
    const [published, target] = [text(long.get('published')), text(long.get('target'))].map(Number);
    if (!isPort(published) || !isPort(target)) return [];
    return [{ hostAddress: text(long.get('host_ip')) ?? '', published, target }];
  }
  const match = /^(?:(\[[^\]]*\]|[^:]*):)?(\d+)(?:-(\d+))?:(\d+)(?:-(\d+))?(?:\/tcp)?$/.exec(
    text(entry) ?? '',
  );
  if (match === null) return [];
  const [first, last, target] = [match[2], match[3] ?? match[2], match[4]].map(Number);
  if (!isPort(first) || !isPort(last) || !isPort(target) || last < first) return [];
  const hostAddress = (match[1] ?? '').replace(/^\[(.*)\]$/, '$1');
  return Array.from({ length: last - first + 1 }, (_, index) => ({
    hostAddress,
    published: first + index,
    target: match[5] === undefined ? target : target + index,
  }));
}

function isPort(value: number | undefined): value is number {
  return value !== undefined && Number.isInteger(value) && value > 0 && value < 65_536;
}
