/**
 * Compose files as far as `init` needs them: text in, data out. Values may hold passwords; nothing
 * of the text is repeated in an error.
 */
import type { Document } from 'yaml';
import { CannotStart } from '../errors.ts';
import { interpolate } from '../config/interpolate.ts';
import type { Interpolated, Lookup } from '../config/interpolate.ts';

export interface ComposeSource {
  /** As messages name it. */
  readonly file: string;
  readonly text: string;
}

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
}

export interface Compose {
  /** The project's name, where the file gives one. */
  readonly name: string | undefined;
  readonly services: readonly ComposeService[];
  /** Variables that are not set and have no default, sorted. */
  readonly unset: readonly string[];
  /** What was seen and not followed. */
  readonly notes: readonly string[];
}

type Node = ReadonlyMap<unknown, unknown>;

/** What Compose's tags `!reset` and `!override` say in an overriding file. */
class Tagged {
  readonly value: unknown;
  constructor(value: unknown) {
    this.value = value;
  }
}

/**
 * One project: its file, and those that override it, in this order.
 * @throws CannotStart('config') for what is no YAML, with file, line and column.
 */
export async function parseCompose(
  sources: readonly ComposeSource[],
  lookup: Lookup,
): Promise<Compose> {
  const notes: string[] = [];
  const missing = new Set<string>();
  const expand = (value: unknown): Interpolated => {
    const expanded = interpolate(scalar(value), lookup);
    for (const name of expanded.missing) missing.add(name);
    return expanded;
  };
  const services = new Map<string, Node>();
  const volumes = new Map<string, unknown>();
  let name: string | undefined;
  for (const source of sources) {
    const root = asMap(await readYaml(source));
    if (root === undefined) {
      notes.push(`${source.file} holds no services`);
      continue;
    }
    if (typeof root.get('name') === 'string') name = expand(root.get('name')).text;
    if (root.has('include')) {
      notes.push(`${source.file}: \`include\` is not followed: run init with --from <that file>`);
    }
    const own = asMap(root.get('services'));
    if (own === undefined) notes.push(`${source.file} holds no services`);
    const plain = new Map(entriesOf(own).map(([key, node]) => [key, asMap(node) ?? new Map()]));
    for (const key of plain.keys()) {
      const extended = extend(key, plain, [], (what) => notes.push(`${source.file}: ${what}`));
      const earlier = services.get(key);
      services.set(key, earlier === undefined ? extended : mergeService(earlier, extended));
    }
    for (const [key, node] of entriesOf(asMap(root.get('volumes')))) volumes.set(key, node);
  }
  const read = [...services].map(([key, node]) => readService(key, node, volumes, expand, lookup));
  return { name, services: read, unset: [...missing].toSorted(), notes };
}

async function readYaml({ file, text }: ComposeSource): Promise<unknown> {
  // Loaded here, because no other command reads YAML.
  // By its default export, the only one that a bundle of a CommonJS package has.
  const { default: yaml } = await import('yaml');
  const { LineCounter, isAlias, isScalar, parseDocument, visit, Scalar } = yaml;
  const lines = new LineCounter();
  const fail = (problem: string, offset?: number): never => {
    const { line, col } = lines.linePos(offset ?? 0);
    const place = offset === undefined ? file : `${file}:${line}:${col}`;
    throw new CannotStart('config', `cannot read ${place}: ${problem}`);
  };
  let document: Document.Parsed;
  try {
    document = parseDocument(text.replace(/^\uFEFF/, ''), {
      merge: true,
      prettyErrors: false,
      lineCounter: lines,
    });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return fail('it is nested too deeply');
  }
  const [error] = document.errors;
  if (error !== undefined) {
    // Some messages of the parser quote the text, which may be a password.
    const reason = error.message.replace(/[:(]?\s*["'`][^]*$/, '').replace(/\n[^]*$/, '');
    return fail(`it is not valid YAML: ${reason}`, error.pos[0]);
  }
  visit(document, {
    Alias(_, node) {
      if (isAlias(node) && node.resolve(document) === undefined) {
        fail('it is not valid YAML: an alias without its anchor', node.range?.[0]);
      }
    },
    Node(_, node) {
      if (node.tag === '!reset') return new Scalar(new Tagged(undefined));
      if (node.tag !== '!override') return undefined;
      const value: unknown = isScalar(node) ? node.value : node.toJS(document, { mapAsMap: true });
      return new Scalar(new Tagged(value));
    },
  });
  try {
    return document.toJS({ mapAsMap: true }) as unknown;
  } catch (error_) {
    // An alias bomb, or aliases that hold themselves.
    if (error_ instanceof ReferenceError || error_ instanceof RangeError) {
      return fail('its aliases unfold without end');
    }
    throw error_;
  }
}

function extend(
  name: string,
  services: ReadonlyMap<string, Node>,
  seen: readonly string[],
  note: (what: string) => void,
): Node {
  const own = services.get(name) ?? new Map<unknown, unknown>();
  const wanted = own.get('extends');
  if (wanted === undefined || wanted === null) return own;
  const elsewhere = asMap(wanted)?.get('file');
  const base = scalar(asMap(wanted)?.get('service') ?? wanted);
  if (elsewhere !== undefined || !services.has(base) || [...seen, name].includes(base)) {
    const file = elsewhere === undefined ? '' : ` of ${scalar(elsewhere)}`;
    note(
      `${name} extends ${base}${file}, which is not followed: look whether something is missing`,
    );
    return own;
  }
  return mergeService(extend(base, services, [...seen, name], note), own);
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

function readService(
  name: string,
  node: Node,
  namedVolumes: ReadonlyMap<string, unknown>,
  expand: (value: unknown) => Interpolated,
  lookup: Lookup,
): ComposeService {
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

function environmentOf(node: unknown): ReadonlyMap<string, string | undefined> {
  const value = (one: unknown): string | undefined =>
    one === undefined || one === null ? undefined : scalar(one);
  const map = asMap(node);
  if (map !== undefined) return new Map(entriesOf(map).map(([key, one]) => [key, value(one)]));
  return new Map(
    listOf(node).map((entry) => {
      const line = scalar(entry);
      const at = line.indexOf('=');
      return at === -1 ? [line, undefined] : [line.slice(0, at), line.slice(at + 1)];
    }),
  );
}

function buildOf(node: unknown): ReadonlyMap<unknown, unknown> {
  if (node === undefined || node === null) return new Map();
  return asMap(node) ?? new Map([['context', node]]);
}

function asMap(value: unknown): Node | undefined {
  const inner = value instanceof Tagged ? value.value : value;
  return inner instanceof Map ? (inner as Node) : undefined;
}

function entriesOf(node: Node | undefined): [string, unknown][] {
  return [...(node ?? [])].map(([key, value]) => [scalar(key), value]);
}

function listOf(value: unknown): readonly unknown[] {
  const inner = value instanceof Tagged ? value.value : value;
  if (inner === undefined || inner === null) return [];
  return Array.isArray(inner) ? (inner as unknown[]) : [inner];
}

/** Text of a scalar; of anything else nothing. */
function scalar(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}
