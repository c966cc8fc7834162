"""A pass-through file system (FUSE) in which names decide what fails; see faulty-fs.ts.

Arguments: backing directory, mount point. Runs until it is unmounted.
"""
import errno
import itertools
import os
import re
import stat
import sys

from fusepy import FUSE, FuseOSError, Operations

UNLINK_ERRORS = (
    ("eio-", errno.EIO),
    ("estale-", errno.ESTALE),
    ("busy-", errno.EBUSY),
    (".nfs", errno.EBUSY),
)


def attributes(path):
    status = os.lstat(path)
    return {
        name: getattr(status, name)
        for name in dir(status)
        if re.fullmatch(r"st_(mode|ino|nlink|uid|gid|size|blocks|[acm]time)", name)
    }


class FaultyDisk(Operations):
    def __init__(self, backing):
        self.backing = backing
        self.numbers = itertools.count(1)
        self.refilled = {}

    def __call__(self, operation, path, *args):
        # Everything but a link's target is a path below the backing directory.
        if operation in ("symlink", "rename", "link"):
            raise FuseOSError(errno.ENOSYS)
        return super().__call__(operation, self.backing + path, *args)

    def getattr(self, path, handle=None):
        return attributes(path)

    def readlink(self, path):
        return os.readlink(path)

    def readdir(self, path, handle):
        name = os.path.basename(path)
        if name.startswith("eio-list-"):
            raise FuseOSError(errno.EIO)
        names = [".", "..", *os.listdir(path)]
        if name.startswith("untyped-"):
            return names
        return [(entry, attributes(os.path.join(path, entry)), 0) for entry in names]

    def statfs(self, path):
        status = os.statvfs(path)
        return {name: getattr(status, name) for name in ("f_bsize", "f_frsize", "f_blocks", "f_bfree")}

    def open(self, path, flags):
        return os.open(path, flags)

    def create(self, path, mode, info=None):
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)

    def read(self, path, size, offset, handle):
        return os.pread(handle, size, offset)

    def write(self, path, data, offset, handle):
        return os.pwrite(handle, data, offset)

    def release(self, path, handle):
        os.close(handle)

    def mkdir(self, path, mode):
        os.mkdir(path, mode)

    def unlink(self, path):
        directory, name = os.path.split(path)
        for start, code in UNLINK_ERRORS:
            if name.startswith(start):
                raise FuseOSError(code)
        if name.startswith("held-"):
            # nfs_sillyrename, fs/nfs/unlink.c: success, and a new name for as long as it is open.
            os.rename(path, os.path.join(directory, f".nfs{next(self.numbers):016x}"))
            return
        os.unlink(path)
        self.refill(directory)

    def rmdir(self, path):
        self.refill(path)
        os.rmdir(path)

    def refill(self, directory):
        kind = re.match(r"refill-(endless|\d+)", os.path.basename(directory))
        if kind is None or os.listdir(directory):
            return
        count = self.refilled.get(directory, 0)
        if kind[1] != "endless" and count >= int(kind[1]):
            return
        self.refilled[directory] = count + 1
        with open(os.path.join(directory, f"new-{count}"), "x") as file:
            file.write("x")


backing, mount_point = sys.argv[1:]
# Without the timeouts the kernel would remember names that have changed behind its back.
FUSE(
    FaultyDisk(backing),
    mount_point,
    foreground=True,
    nothreads=True,
    allow_other=True,
    use_ino=True,
    hard_remove=True,
    attr_timeout=0,
    entry_timeout=0,
)
