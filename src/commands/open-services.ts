import { existsSync } from 'node:fs';
import type { ServiceConfig } from '../config/types.ts';
import { systemCode } from '../errors.ts';
import { createGiveWay } from '../give-way.ts';
import { createMountsBelow, readMounts } from '../files/mounts.ts';
import { knowDirectory } from '../files/known-directory.ts';
import type { KnownDirectory } from '../files/known-directory.ts';
import { tryRealPath } from '../files/real-path.ts';
import type { LocatedDirectory, PatternLink, PatternProblem } from '../files/resolve.ts';
import type { Asides } from '../files/aside.ts';
import { boundariesOf } from '../files/rules.ts';
import type { Rules } from '../files/rules.ts';
import type { Boundaries } from '../files/walk.ts';
import { printable } from '../report/printable.ts';
import { systemHint, systemReason } from '../report/system-reason.ts';
import type { Failure, Kind } from '../report/types.ts';
import type { Finding } from '../model/finding.ts';
import {
  missingDirectories,
  nearestDirectory,
  placesOf,
} from '../resources/missing-directories.ts';
import { NO_EARLIER_RUNS } from '../runs/earlier-runs.ts';
import type { EarlierRuns } from '../runs/earlier-runs.ts';
import { findingFailure } from '../report/finding-text.ts';
import { directoriesOf, judgeLinks } from '../resources/pattern-links.ts';
import type { Judged, Located } from './guard-targets.ts';
import { closeLink, connectService } from './links.ts';
import type { Link } from './links.ts';
import type { Warning } from './warnings.ts';

export interface OpenedDirectory {
  readonly located: LocatedDirectory;
  /** To be opened when it is needed; undefined when it is missing or could not be opened. */
  readonly known: KnownDirectory | undefined;
  readonly rules: Rules;
  /** The same as functions. */
  readonly boundaries: Boundaries;
  /** Files that an NFS client holds, as latin1: deleted, and there until it lets go. Grows. */
  readonly pending: Set<string>;
  /** Models that were renamed before they are deleted. Grows. */
  readonly asides: Asides;
}

/** A service with its directories found and its Redis connected, before anything is changed. */
export interface OpenService {
  readonly config: ServiceConfig;
  readonly redis: Link | undefined;
  /** The same object as `redis` when both are one database. */
  readonly broker: Link | undefined;
  /**
   * A result backend that the config names; the same object where it is one of the two others. See
   * `resultsLink`.
   */
  readonly results: Link | undefined;
  /** Grows when a pattern matches another one later. */
  readonly directories: OpenedDirectory[];
  /** Every service of the config, targets or not. */
  readonly all: readonly ServiceConfig[];
  /** Those of this run, this one included. */
  readonly targets: readonly ServiceConfig[];
  readonly earlier: EarlierRuns;
  /** Only what was made before goes, in milliseconds since 1970; undefined: all. */
  readonly before: number | undefined;
  /** Links that its patterns matched when the run began: judged and named. */
  readonly links: readonly PatternLink[];
  /** Finds and guards the directories of all targets anew; undefined where nothing is removed. */
  readonly judgeAgain: (() => Promise<Judged>) | undefined;
  /** What could not be reached or opened. */
  readonly failures: Failure[];
  readonly warnings: Warning[];
}

export interface OpenOptions {
  /** Only files last modified and jobs created before that go, in milliseconds since 1970. */
  readonly before?: number | undefined;
  readonly earlier?: EarlierRuns;
  /** The services are going to be locked in Redis. */
  readonly isLocked?: boolean;
  readonly judgeAgain?: () => Promise<Judged>;
}

/**
 * Opens the directories and connects, all services at once, so that several dead servers cost the
 * time of one. What fails is data. Only what the chosen kinds need is opened.
 * @throws the signal's reason.
 */
export async function openServices(
  all: readonly ServiceConfig[],
  targets: readonly ServiceConfig[],
  located: ReadonlyMap<string, Located>,
  kinds: readonly Kind[],
  signal: AbortSignal,
  options: OpenOptions = {},
): Promise<readonly OpenService[]> {
  const { before, earlier = NO_EARLIER_RUNS, isLocked = false, judgeAgain } = options;
  const mounts = createMountsBelow(readMounts());
  const giveWay = createGiveWay(signal);
  const wiped = directoriesOf(targets, located, kinds);
  const opening = await Promise.allSettled(
    targets.map(async (config): Promise<OpenService> => {
      const failures: Failure[] = [];
      const warnings: Warning[] = [];
      const { directories, patternProblems, links: matched } = located.get(config.name) as Located;
      const wanted = directories.filter(({ kind }) => kinds.includes(kind));
      const opened: OpenedDirectory[] = [];
      for (const directory of wanted) {
        opened.push(openDirectory(directory, before, failures, mounts));
        await giveWay();
      }
      const patterns = patternProblems.filter(({ kind }) => kinds.includes(kind));
      if (wanted.length + patterns.length > 0) {
        if (isRootMissing(config)) failures.push(rootFailure(config, all));
        else
          noteMissing(
            missingDirectories(config, wanted, patterns, earlier, all),
            failures,
            warnings,
          );
        if (opened.some(({ known }) => known?.byDescriptor === false)) warnings.push(WITHOUT_PROC);
        failures.push(...patterns.flatMap(patternFailure));
      }
      const linked = judgeLinks(matched, wiped, kinds);
      failures.push(...linked.failures.map(({ failure }) => failure));
      warnings.push(...linked.warnings);
      const links = await connectService(config, kinds, failures, warnings, signal, isLocked);
      return {
        config,
        ...links,
        directories: opened,
        all,
        targets,
        earlier,
        before,
        links: matched,
        judgeAgain,
        failures,
        warnings,
      };
    }),
  );
  const services = opening.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const failed = opening.find((one) => one.status === 'rejected');
  if (failed === undefined) return services;
  closeServices(services);
  throw failed.reason;
}

export function closeServices(services: readonly OpenService[]): void {
  for (const service of services) {
    closeLink(service.redis);
    closeLink(service.broker);
    closeLink(service.results);
  }
}

/** @param lies where the item is now, when that is another place than its own. */
export function directoryFailure(
  directory: LocatedDirectory,
  item: string,
  code: string,
  lies?: Buffer,
): Failure {
  const hint = systemHint(code);
  const place = lies === undefined ? [] : [`it lies in ${directory.name}/${printable(lies)} now`];
  if (code === 'EREDIRECTED') place.push(whereItLeads(directory.configuredPath));
  return {
    target: directory.name,
    item,
    code,
    reason: systemReason(code),
    hint: [...(hint === '' ? [] : [hint]), ...place].join('; '),
  };
}

function whereItLeads(path: string): string {
  const now = tryRealPath(path);
  const where = now === undefined ? 'nowhere' : `to ${printable(now)}`;
  return `${printable(path)} leads ${where} now`;
}

/** @param failures grows when it cannot be opened. */
export function openDirectory(
  located: LocatedDirectory,
  before: number | undefined,
  failures: Failure[],
  mountsBelow = createMountsBelow(readMounts()),
): OpenedDirectory {
  const { state, path, configuredPath, kind } = located;
  const { marker, keep } = located.config;
  const mounts = mountsBelow(path);
  const rules: Rules = { marker, keep, mounts, before, whole: kind === 'models' };
  const boundaries = boundariesOf(rules);
  const pending = new Set<string>();
  const asides: Asides = new Map();
  if (state.is === 'missing') {
    return { located, known: undefined, rules, boundaries, pending, asides };
  }
  if (state.is !== 'directory') {
    const code = state.is === 'unknown' ? state.code : 'ENOTDIR';
    failures.push(directoryFailure(located, '.', code));
    return { located, known: undefined, rules, boundaries, pending, asides };
  }
  try {
    return {
      located,
      known: knowDirectory(path, configuredPath),
      rules,
      boundaries,
      pending,
      asides,
    };
  } catch (error) {
    failures.push(directoryFailure(located, '.', systemCode(error)));
    return { located, known: undefined, rules, boundaries, pending, asides };
  }
}

const WITHOUT_PROC: Warning = {
  text: 'no /proc here: directories are held by path, and known again by device and inode; mounts and files held open cannot be told',
  weight: 'note',
};

function noteMissing(findings: readonly Finding[], failures: Failure[], warnings: Warning[]): void {
  for (const finding of findings) {
    if (finding.severity === 'problem') failures.push(findingFailure(finding));
    else warnings.push({ text: `${finding.reason}; ${finding.hint}`, weight: finding.severity });
  }
}

/** Part of what a pattern covers could not be looked at, so it is not known to be empty. */
function patternFailure({ pattern, code }: PatternProblem): readonly Failure[] {
  if (code === undefined) return [];
  return [
    { target: 'Pattern', item: pattern, code, reason: systemReason(code), hint: systemHint(code) },
  ];
}

/** A `root` that is named and missing is no empty service but a config that points nowhere. */
function isRootMissing(config: ServiceConfig): boolean {
  return config.rootConfigured && !existsSync(config.root);
}

function rootFailure(config: ServiceConfig, all: readonly ServiceConfig[]): Failure {
  const near = nearestDirectory(config.root, placesOf(all));
  return {
    target: 'Root',
    item: config.name,
    code: 'ENOENT',
    reason: `No such directory: ${config.root}${near === undefined ? '' : `, but there is ${near}`}`,
    hint: `correct "root" of ${config.name} in the config, or mount it`,
  };
}
