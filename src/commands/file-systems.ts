import { spaceOf } from '../files/space.ts';
import type { Space } from '../files/space.ts';
import { errorCode } from '../errors.ts';
import { openKnown } from '../files/known-directory.ts';
import { closeDirectory } from '../files/open-directory.ts';
import { readMounts } from '../files/mounts.ts';
import { userId } from '../files/process-wide.ts';
import { counted } from '../report/text.ts';
import type { Mount } from '../files/mounts.ts';
import { megabytes } from '../report/totals.ts';
import type { DirectoryReport, FileSystemReport } from '../report/types.ts';
import type { OpenService, OpenedDirectory } from './open-services.ts';

/** How much was free on each file system that something is to be removed from. */
export interface SpaceBefore {
  readonly fileSystems: readonly {
    readonly mount: string;
    readonly type: string;
    /** What is asked again afterwards. */
    readonly member: OpenedDirectory;
    readonly paths: ReadonlySet<string>;
    readonly space: Space;
  }[];
}

/** Smaller differences are other programs' daily business. */
const LARGE_BYTES = 16 * 2 ** 20;
const LARGE_SHARE = 0.1;

export function measureSpace(services: readonly OpenService[]): SpaceBefore {
  const mounts = readMounts() ?? [];
  const members = new Map<bigint, OpenedDirectory[]>();
  for (const directory of services.flatMap(({ directories }) => directories)) {
    if (directory.known === undefined) continue;
    const others = members.get(directory.known.device) ?? [];
    members.set(directory.known.device, others);
    others.push(directory);
  }
  const fileSystems = [...members.values()].flatMap((directories) => {
    const [member] = directories;
    if (member === undefined) return [];
    const { point = member.located.path, type = '' } = mountOf(member.located.path, mounts) ?? {};
    const space = spaceNow(member, type);
    if (space === undefined) return [];
    const paths = new Set(directories.map(({ located }) => located.path));
    return [{ mount: point, type, member, paths, space }];
  });
  return { fileSystems };
}

function spaceNow({ known }: OpenedDirectory, type: string): Space | undefined {
  if (known === undefined) return undefined;
  try {
    const directory = openKnown(known);
    try {
      return spaceOf(directory, type);
    } finally {
      closeDirectory(directory);
    }
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return undefined;
  }
}

/**
 * What the wipe freed there by its own count, beside what the file system says.
 * @param unseen processes that may hold deleted files and could not be looked at.
 */
export function compareSpace(
  { fileSystems }: SpaceBefore,
  directories: readonly DirectoryReport[],
  unseen: number,
): readonly FileSystemReport[] {
  return fileSystems.flatMap(({ mount, type, member, paths, space }) => {
    const now = spaceNow(member, type);
    if (now === undefined) return [];
    const own = directories.filter(({ path }) => paths.has(path));
    const sum = (figure: (directory: DirectoryReport) => number): number =>
      own.reduce((total, directory) => total + figure(directory), 0);
    const report = {
      mount,
      type,
      bytesFreed: sum((directory) => directory.bytesFreed),
      inodesFreed: sum((directory) => directory.inodesFreed),
      bytesHeldOpen: sum((directory) => directory.bytesHeldOpen),
      freeBefore: space,
      freeAfter: now,
    };
    return [{ ...report, note: explain(report, unseen) }];
  });
}

function explain(report: Omit<FileSystemReport, 'note'>, unseen: number): string | undefined {
  const { bytesFreed, bytesHeldOpen, type } = report;
  const missing = bytesFreed - (report.freeAfter.bytes - report.freeBefore.bytes);
  if (bytesFreed === 0) return undefined;
  if (Math.abs(missing) <= Math.max(LARGE_BYTES, bytesFreed * LARGE_SHARE)) return undefined;
  const size = `${megabytes(Math.abs(missing))} MB`;
  if (missing < 0)
    return `${size} more are free than were deleted here: probably something else freed space too`;
  const why = REASONS[type] ?? USUAL;
  const held = bytesHeldOpen > 0 ? `, beside the ${megabytes(bytesHeldOpen)} MB held open` : '';
  const hidden =
    unseen > 0 && userId() !== 0
      ? `perhaps held open by ${counted(unseen, 'other process', 'other processes')} that only root can look at; if not, `
      : '';
  return `${size} less are free than were deleted${held}: ${hidden}${why}`;
}

const OTHERS = 'something else wrote meanwhile';
const USUAL = `probably ${OTHERS}; a loop device or swap space may also use a deleted file`;

const REASONS: Readonly<Record<string, string>> = {
  btrfs: 'snapshots or reflinks still use the blocks, or btrfs frees them in the background',
  zfs: 'snapshots still use the blocks, or zfs frees them in the background',
  xfs: `reflinks still use the blocks, xfs frees them in the background, or ${OTHERS}`,
  overlay: `the files are still in a lower layer of the overlay, or ${OTHERS}`,
  nfs: `the server frees them later, keeps snapshots, or ${OTHERS}`,
  nfs4: `the server frees them later, keeps snapshots, or ${OTHERS}`,
};

export function mountOf(path: string, mounts: readonly Mount[]): Mount | undefined {
  let found: Mount | undefined;
  for (const mount of mounts) {
    const { point } = mount;
    const holds = point === '/' || path === point || path.startsWith(`${point}/`);
    if (holds && point.length >= (found?.point.length ?? 0)) found = mount;
  }
  return found;
}
