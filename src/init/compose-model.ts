/** The services of one project: its files merged, with what they extend and include. */
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { interpolate } from '../config/interpolate.ts';
import type { Lookup } from '../config/interpolate.ts';
import { CannotStart } from '../errors.ts';
import { readYaml } from './compose-document.ts';
import type { ComposeSource } from './compose-document.ts';
import {
  asMap,
  buildOf,
  entriesOf,
  environmentOf,
  listOf,
  scalar,
  Tagged,
} from './compose-nodes.ts';
import type { Node } from './compose-nodes.ts';

/** How the files are reached that a compose file extends or includes. */
export interface ComposeReader {
  /** @throws CannotStart when it cannot be read. */
  read(path: string): ComposeSource;
  /** Variables of env files, absolute; those that do not exist set none. */
  variables(paths: readonly string[]): Lookup;
}

export interface ModelService {
  readonly node: Node;
  /** What `${…}` in it is. */
  readonly lookup: Lookup;
  /** Files that say something of it and were not read. */
  readonly unread: readonly string[];
  /** Absolute: the file that an `include` names and that it comes from. */
  readonly includedFrom?: string | undefined;
}

export interface ComposeModel {
  readonly name: string | undefined;
  readonly services: ReadonlyMap<string, ModelService>;
  readonly volumes: ReadonlyMap<string, unknown>;
  /** Files that are extended or included. */
  readonly imported: readonly ComposeSource[];
  /** What was seen and not followed. */
  readonly notes: readonly string[];
}

/** Files of one project, loops and generated chains included. No stack has as many. */
const MAX_FILES = 100;

interface Layer {
  readonly source: ComposeSource;
  readonly services: ReadonlyMap<string, Node>;
  /** Absolute: what is relative in the file is relative to this. */
  readonly directory: string;
  readonly lookup: Lookup;
}

interface Model {
  readonly services: Map<string, ModelService>;
  readonly volumes: Map<string, unknown>;
  name: string | undefined;
}

/**
 * @param directory absolute, of the project: paths of all files are made relative to it.
 * @throws CannotStart('config') for a source that is no compose file; not for what it imports.
 */
export async function readModel(
  sources: readonly ComposeSource[],
  directory: string,
  lookup: Lookup,
  reader: ComposeReader,
): Promise<ComposeModel> {
  const notes: string[] = [];
  const imported = new Map<string, ComposeSource>();
  const context: Context = {
    project: directory,
    note: (message) => notes.push(message),
    open(path) {
      const known = imported.get(path);
      if (known !== undefined) return known;
      if (imported.size === MAX_FILES) throw notFollowed(`more than ${MAX_FILES} files`);
      const source = reader.read(path);
      imported.set(path, source);
      return source;
    },
    variables: (paths) => reader.variables(paths),
  };
  const model = await readFiles(sources, { directory, lookup, chain: [] }, context);
  return { ...model, imported: [...imported.values()], notes };
}

interface Context {
  readonly project: string;
  readonly note: (message: string) => void;
  readonly open: (path: string) => ComposeSource;
  readonly variables: ComposeReader['variables'];
}

interface Place {
  readonly directory: string;
  readonly lookup: Lookup;
  /** Paths of the files that include this one. */
  readonly chain: readonly string[];
}

async function readFiles(
  sources: readonly ComposeSource[],
  place: Place,
  context: Context,
): Promise<Model> {
  const model: Model = { services: new Map(), volumes: new Map(), name: undefined };
  for (const source of sources) {
    const root = asMap(await readYaml(source));
    const own = asMap(root?.get('services'));
    if (own === undefined && root?.has('include') !== true) {
      context.note(`${source.file} holds no services`);
    }
    if (root === undefined) continue;
    if (typeof root.get('name') === 'string') {
      model.name = interpolate(scalar(root.get('name')), place.lookup).text;
    }
    await include(listOf(root.get('include')), source, { model, place, context });
    const layer: Layer = { ...place, source, services: servicesOf(own) };
    for (const key of layer.services.keys()) {
      const service = await extend(key, layer, [], context);
      const earlier = model.services.get(key);
      model.services.set(key, earlier === undefined ? service : mergeModel(earlier, service));
    }
    for (const [key, node] of entriesOf(asMap(root.get('volumes')))) model.volumes.set(key, node);
  }
  return model;
}

function servicesOf(node: Node | undefined): ReadonlyMap<string, Node> {
  return new Map(entriesOf(node).map(([key, one]) => [key, asMap(one) ?? new Map()]));
}

function mergeModel(base: ModelService, over: ModelService): ModelService {
  return {
    node: mergeService(base.node, over.node),
    lookup: over.lookup,
    includedFrom: base.includedFrom ?? over.includedFrom,
    unread: [...base.unread, ...over.unread],
  };
}

/** https://docs.docker.com/reference/compose-file/include */
async function include(
  entries: readonly unknown[],
  source: ComposeSource,
  at: { readonly model: Model; readonly place: Place; readonly context: Context },
): Promise<void> {
  const { model, place, context } = at;
  for (const entry of entries) {
    const long = asMap(entry);
    const names = listOf(long?.get('path') ?? entry).map(scalar);
    try {
      const paths = names.map((name) => localPath(name, place));
      const above = [...place.chain, source.path];
      if (paths.some((path) => above.includes(path))) throw notFollowed('it includes itself');
      const files = paths.map(context.open);
      const folder =
        long?.has('project_directory') === true
          ? localPath(scalar(long.get('project_directory')), place)
          : dirname(paths[0] ?? source.path);
      const envFiles = listOf(long?.get('env_file')).map((name) => localPath(scalar(name), place));
      const own = context.variables(envFiles.length > 0 ? envFiles : [join(folder, '.env')]);
      const inner = await readFiles(
        files,
        {
          directory: folder,
          lookup: (name) => place.lookup(name) ?? own(name),
          chain: [...above, ...paths],
        },
        context,
      );
      for (const [key, service] of inner.services) {
        model.services.set(key, { ...service, includedFrom: paths[0] });
      }
      for (const [key, node] of inner.volumes) model.volumes.set(key, node);
    } catch (error) {
      if (!(error instanceof CannotStart)) throw error;
      context.note(
        `${source.file}: \`include\` is not followed: ${names.join(', ')}: ${error.message}; its services are missing here`,
      );
    }
  }
}

/** https://docs.docker.com/reference/compose-file/services#extends */
async function extend(
  name: string,
  layer: Layer,
  chain: readonly string[],
  context: Context,
): Promise<ModelService> {
  const { source, directory, lookup, services } = layer;
  const raw = services.get(name) ?? new Map<unknown, unknown>();
  const node = rebased(raw, relative(context.project, directory), lookup);
  const own: ModelService = { node, lookup, unread: [] };
  const wanted = raw.get('extends');
  if (wanted === undefined || wanted === null) return own;
  const elsewhere = asMap(wanted)?.get('file');
  const base = scalar(asMap(wanted)?.get('service') ?? wanted);
  const file = elsewhere === undefined ? '' : ` of ${scalar(elsewhere)}`;
  try {
    const links = [...chain, `${source.path} ${name}`];
    const from = elsewhere === undefined ? layer : await layerOf(scalar(elsewhere), layer, context);
    if (!from.services.has(base)) throw notFollowed('no such service');
    if (links.includes(`${from.source.path} ${base}`)) throw notFollowed('it extends itself');
    return mergeModel(await extend(base, from, links, context), own);
  } catch (error) {
    if (!(error instanceof CannotStart)) throw error;
    context.note(
      `${source.file}: ${name} extends ${base}${file}, which is not followed: ${error.message}; what it says of ${name} is missing here`,
    );
    return { ...own, unread: [elsewhere === undefined ? source.file : scalar(elsewhere)] };
  }
}

async function layerOf(name: string, layer: Layer, { open }: Context): Promise<Layer> {
  const source = open(localPath(name, layer));
  const root = asMap(await readYaml(source));
  const services = servicesOf(asMap(root?.get('services')));
  return { source, services, directory: dirname(source.path), lookup: layer.lookup };
}

/** `git@host:project`. */
function isRemotePlace(text: string): boolean {
  const [first = ''] = text.split('/', 1);
  const at = first.indexOf('@', 1);
  return at !== -1 && first.indexOf(':', at + 2) !== -1;
}

/** @throws CannotStart for what is no file of this machine. */
function localPath(
  name: string,
  { directory, lookup }: Pick<Layer, 'directory' | 'lookup'>,
): string {
  const { text, missing } = interpolate(name, lookup);
  if (missing.length > 0) throw notFollowed(`${missing.join(', ')} is not set`);
  if (text === '') throw notFollowed('it names no file');
  if (/^[\w+.-]+:/.test(text) || isRemotePlace(text))
    throw notFollowed('it is no file of this machine');
  return resolve(directory, text);
}

function notFollowed(reason: string): CannotStart {
  return new CannotStart('config', reason);
}

/** https://docs.docker.com/reference/compose-file/merge */
function mergeService(base: Node, over: Node): Node {
  const merged = new Map(base);
  for (const [key, value] of over) {
    const earlier = merged.get(key);
    if (value instanceof Tagged) merged.set(key, value.value);
    else if (key === 'environment') {
      merged.set(key, new Map([...environmentOf(earlier), ...environmentOf(value)]));
    } else if (key === 'build' && earlier !== undefined) {
      merged.set(key, new Map([...buildOf(earlier), ...buildOf(value)]));
    } else if (key === 'volumes' || key === 'ports' || key === 'env_file') {
      merged.set(key, [...listOf(earlier), ...listOf(value)]);
    } else merged.set(key, value);
  }
  return merged;
}

/** A service of a file in another folder, with its paths relative to the project. */
function rebased(node: Node, folder: string, lookup: Lookup): Node {
  if (folder === '') return node;
  const path = (value: unknown): unknown => pathBelow(folder, value, lookup);
  const inMap = (value: unknown, key: string): unknown => {
    const map = asMap(value);
    return map === undefined || !map.has(key)
      ? value
      : new Map([...map, [key, path(map.get(key))]]);
  };
  const change: Readonly<Record<string, (value: unknown) => unknown>> = {
    build: (value) =>
      new Map([...buildOf(value), ['context', path(buildOf(value).get('context') ?? '.')]]),
    env_file: (value) =>
      listOf(value).map((one) => (asMap(one) === undefined ? path(one) : inMap(one, 'path'))),
    volumes: (value) =>
      listOf(value).map((one) => {
        const long = asMap(one);
        if (long !== undefined)
          return scalar(long.get('type')) === 'bind' ? inMap(one, 'source') : one;
        return mountBelow(folder, scalar(one), lookup);
      }),
  };
  return new Map(
    [...node].map(([key, value]) => {
      const make = change[scalar(key)];
      if (make === undefined || value === undefined || value === null) return [key, value];
      return [key, value instanceof Tagged ? new Tagged(make(value.value)) : make(value)];
    }),
  );
}

/** `./uploads:/uploads`; a name without a slash is that of a volume. */
function mountBelow(folder: string, mount: string, lookup: Lookup): string {
  const text = mount.startsWith('$') ? expanded(mount, lookup) : mount;
  return /^\.{1,2}(?:\/|:)/.test(text) ? join(folder, text).replace(/^(?!\.{0,2}\/)/, './') : text;
}

function pathBelow(folder: string, value: unknown, lookup: Lookup): unknown {
  const text = scalar(value).startsWith('$') ? expanded(scalar(value), lookup) : scalar(value);
  const isPlace = isAbsolute(text) || /^~|^\$|^[\w+.-]+:/.test(text);
  return isPlace ? value : join(folder, text);
}

/** A value that begins with a variable; unset, it stays as it is. */
function expanded(text: string, lookup: Lookup): string {
  const { text: value, missing } = interpolate(text, lookup);
  return missing.length > 0 ? text : value.replaceAll('$', '$$$$');
}
