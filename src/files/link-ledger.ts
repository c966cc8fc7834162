/**
 * A file with several names frees its blocks when the last one goes. Who removes names in parallel
 * sees each count of links only before the removal, so they are added up here, over all directories
 * of a run. Memory grows with the files that have several names, 50 bytes each.
 */
export interface LinkLedger {
  /**
   * One name of several was removed.
   * @param links what stat said just before: at least 2.
   * @returns whether it was the last.
   */
  removed(device: number, inode: number, links: number): boolean;
  /**
   * Between two passes: what has names left is counted anew, since its number may by then be that of
   * another file.
   */
  forget(): void;
}

export function createLinkLedger(): LinkLedger {
  const devices = new Map<number, Map<number, number>>();
  return {
    removed(device, inode, links) {
      let files = devices.get(device);
      if (files === undefined) {
        files = new Map<number, number>();
        devices.set(device, files);
      }
      const known = files.get(inode) ?? 0;
      const gone = (known % MOST_LINKS) + 1;
      const most = Math.max(Math.floor(known / MOST_LINKS), links);
      if (gone >= most) {
        files.delete(inode);
        return true;
      }
      files.set(inode, most * MOST_LINKS + gone);
      return false;
    },
    forget: () => {
      devices.clear();
    },
  };
}

/** More than any file system allows (ext4: 65,000); two counts in one number save half the memory. */
const MOST_LINKS = 2 ** 26;
