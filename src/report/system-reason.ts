import { getSystemErrorMap } from 'node:util';

/** System error codes in the words that operators know from the shell (glibc's strerror). */

interface Explanation {
  readonly reason: string;
  /** What to do about it; empty when there is nothing to say. */
  readonly hint: string;
}

const EXPLANATIONS: Readonly<Record<string, Explanation>> = {
  E2BIG: { reason: 'Argument list too long', hint: '' },
  EACCES: {
    reason: 'Permission denied',
    hint: 'run as the owner (chmod u+rwx its directory) or with sudo',
  },
  EAGAIN: { reason: 'Resource temporarily unavailable', hint: 'run it again' },
  EBADF: { reason: 'Bad file descriptor', hint: '' },
  EBUSY: {
    reason: 'Device or resource busy',
    hint: 'a mount point or swap file is in use here: unmount it or stop its user, then run again',
  },
  ECONNREFUSED: {
    reason: 'Connection refused',
    hint: 'start the server, or correct host and port in the config',
  },
  ECONNRESET: { reason: 'Connection reset by peer', hint: "look at the server's log" },
  EDQUOT: { reason: 'Disk quota exceeded', hint: 'look at quota(1)' },
  EEXIST: { reason: 'File exists', hint: '' },
  EFBIG: { reason: 'File too large', hint: '' },
  // Our own: runs/state-directory.ts.
  EFOREIGN: { reason: 'It belongs to another user, or others may write to it', hint: '' },
  EHOSTUNREACH: { reason: 'No route to host', hint: 'check the host name and the network' },
  EILSEQ: {
    reason: 'Invalid or incomplete multibyte or wide character',
    hint: 'without /proc such a directory cannot be entered: remove it by hand',
  },
  EINTR: { reason: 'Interrupted system call', hint: 'run it again' },
  EINVAL: { reason: 'Invalid argument', hint: '' },
  EIO: { reason: 'Input/output error', hint: 'look at dmesg: the disk or the network mount fails' },
  EISDIR: {
    reason: 'Is a directory',
    hint: 'something is being created there: stop it, run again',
  },
  ELOOP: {
    reason: 'Too many levels of symbolic links',
    hint: 'a symbolic link stands where a directory was: check who put it there',
  },
  EMFILE: { reason: 'Too many open files', hint: 'raise the limit: ulimit -n' },
  EMLINK: { reason: 'Too many links', hint: '' },
  // Our own: files/known-directory.ts.
  EMOUNTED: {
    reason: 'Another file system was mounted there, or one was unmounted, while the run went on',
    hint: 'what is there now was not looked at: unmount it or mount what was there, then run again',
  },
  // Our own: files/open-directory.ts.
  EMOVED: {
    reason: 'Moved or replaced while it was being looked at',
    hint: 'what is there now was not touched: see who moves it, then run again',
  },
  // Our own: files/known-directory.ts.
  EREDIRECTED: {
    reason: 'A link in its path leads to another place than when the run began',
    hint: 'what is there now was not touched: see who changes the link, then run again',
  },
  ENAMETOOLONG: { reason: 'File name too long', hint: '' },
  ENETUNREACH: { reason: 'Network is unreachable', hint: 'check the network' },
  ENFILE: {
    reason: 'Too many open files in system',
    hint: 'raise the limit: sysctl fs.file-max',
  },
  ENODEV: { reason: 'No such device', hint: 'check the mount' },
  ENOENT: {
    reason: 'No such file or directory',
    hint: 'create it, or correct the path in the config',
  },
  ENOMEM: { reason: 'Cannot allocate memory', hint: 'free memory, then run again' },
  ENOSPC: { reason: 'No space left on device', hint: 'free some blocks or inodes, then run again' },
  ENOSYS: { reason: 'Function not implemented', hint: '' },
  ENOTCONN: {
    reason: 'Transport endpoint is not connected',
    hint: 'mount the network file system again',
  },
  ENOTDIR: { reason: 'Not a directory', hint: 'correct the path in the config' },
  ENOTEMPTY: {
    reason: 'Directory not empty',
    hint: 'something still writes into it: stop the service, then run again',
  },
  ENOTFOUND: { reason: 'Name or service not known', hint: 'correct the host name in the config' },
  ENOTSUP: { reason: 'Operation not supported', hint: '' },
  ENXIO: { reason: 'No such device or address', hint: '' },
  EAI_AGAIN: {
    reason: 'Temporary failure in name resolution',
    hint: 'check the host name and DNS',
  },
  EPERM: {
    reason: 'Operation not permitted',
    hint: 'look at lsattr: chattr -i / -a, or a sticky directory',
  },
  EPIPE: { reason: 'Broken pipe', hint: '' },
  EROFS: { reason: 'Read-only file system', hint: 'remount it read-write' },
  ESTALE: { reason: 'Stale file handle', hint: 'mount the network file system again' },
  ETIMEDOUT: {
    reason: 'Connection timed out',
    hint: 'check the host, the network and the firewall',
  },
  ETXTBSY: { reason: 'Text file busy', hint: 'stop the program that runs from it' },
  EXDEV: { reason: 'Invalid cross-device link', hint: 'a mount point is in the way: unmount it' },
};

/** `EACCES` → `Permission denied`; a code that nobody knows comes back as it is. */
export function systemReason(code: string): string {
  const known = explanation(code);
  if (known !== undefined) return known.reason;
  for (const [name, message] of getSystemErrorMap().values()) {
    if (name === code) return message.charAt(0).toUpperCase() + message.slice(1);
  }
  return code;
}

/** The remedy as one phrase; empty when there is nothing to say. */
export function systemHint(code: string): string {
  return explanation(code)?.hint ?? '';
}

function explanation(code: string): Explanation | undefined {
  return Object.hasOwn(EXPLANATIONS, code) ? EXPLANATIONS[code] : undefined;
}
