"""
Makes random trees in the working directory: `media/s<n>` with `a`, `b` and `models`, and
`outside/s<n>`, for n from the first number to before the second; each depends only on the seed and
its number. Prints as JSON what nobody can remove (inodes) and what is to be mounted where (paths as
Latin-1).

Arguments: seed, first, end, whether attributes (chattr) may be set.
"""
import fcntl
import json
import os
import random
import stat
import struct
import sys

GET_FLAGS, SET_FLAGS = 0x80086601, 0x40086602
IMMUTABLE, APPEND = 0x10, 0x20

seed, first, end, attributes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "yes"

ODD_NAMES = [
    b"\xff", b"\xfe\xff", b"\xef\xbf\xbd", b"caf\xe9", b"caf\xc3\xa9", b"cafe\xcc\x81", b"\xc3", b"\x80x",
    b"a\nb", b"\n", b" ", b"x ", b"\t", b"\x1b[31m", b"\x01", b"\x7f", b"-", b"-rf", b"--help", b"--",
    b"\\", b"\\n", b"\\x41", b"\\\xff", b"*", b"$(x)", b"'", b'"', b"...", b".hidden", b"~",
    "🔥".encode(), "👩‍👩‍👧".encode(), "\u202egpj".encode(), "日本語".encode(),
    b"n" * 255, b"\xff" * 255, ("🔥" * 64).encode()[:255], b"." + b"m" * 254,
    b".media-cleanup-x", b".media-cleanup-aside.x", b"CON", b"a:b", b"%s", b"{x,y}", b"__proto__",
]  # fmt: skip


class Tree:
    def __init__(self, number):
        self.dice = random.Random(f"{seed}/{number}")
        self.number = number
        self.top = os.fsencode(f"media/s{number}")
        self.outside = os.fsencode(f"outside/s{number}")
        self.tops = [self.top + b"/" + name for name in (b"a", b"b", b"models")]
        self.directories, self.files, self.stuck, self.mounts = [], [], [], []

    def make(self):
        dice = self.dice
        os.makedirs(self.outside + b"/deep/er")
        self.outside_files = [self.outside + name for name in (b"/one", b"/deep/two", b"/deep/er/\xff")]
        for path in self.outside_files:
            self.write(path, dice.randrange(20_000))
        for top in self.tops:
            os.makedirs(top)
            os.chmod(top, dice.choice((0o755, 0o700, 0o2750, 0o1777)))
        self.directories += self.tops
        entries = dice.choice((0, 3, 8, 15, 20, 25, 30, 40, 60, 160))
        for _ in range(entries):
            self.entry()
        if attributes and entries <= 60 and dice.random() < 0.35:
            for _ in range(dice.randrange(1, 5)):
                self.stick()
        if dice.random() < 0.35:
            for _ in range(dice.randrange(1, 4)):
                self.mount()
        for path in self.directories[3:]:
            if dice.random() < 0.1 and not self.is_stuck(path):
                os.chmod(path, dice.choice((0, 0o500, 0o1777, 0o2755)))
        # Attributes last: nothing can be made in what has them.
        for path, flag in self.stuck:
            set_flag(path, flag)

    def entry(self):
        dice = self.dice
        at = dice.choice(self.directories)
        if at.count(b"/") > 8:
            at = self.tops[0]
        name = dice.choice(ODD_NAMES) if dice.random() < 0.5 else b"e%d" % dice.randrange(10**6)
        path = at + b"/" + name
        if os.path.lexists(path):
            return
        kind = dice.choices(
            ("directory", "file", "empty", "link", "hard link", "sparse", "fifo", "socket", "device", "chain"),
            (26, 24, 8, 13, 14, 4, 2, 2, 4, 2),
        )[0]
        if kind == "directory":
            os.mkdir(path)
            self.directories.append(path)
        elif kind in ("file", "empty"):
            self.write(path, 0 if kind == "empty" else dice.choice((1, 100, 5000, 70_000)))
            os.chmod(path, dice.choice((0o644, 0o600, 0, 0o4755)))
            self.files.append(path)
        elif kind == "link":
            os.symlink(self.link_target(name), path)
        elif kind == "hard link":
            # Often within the directory, else anywhere, and sometimes outside.
            beside = [file for file in self.files if os.path.dirname(file) == at]
            choices = beside if beside and dice.random() < 0.3 else self.files
            if not choices or dice.random() < 0.25:
                choices = self.outside_files
            os.link(dice.choice(choices), path)
            self.files.append(path)
        elif kind == "sparse":
            with open(path, "wb") as file:
                file.truncate(2 ** dice.randrange(10, 40))
                if dice.random() < 0.5:
                    file.seek(dice.randrange(1000) * 4096)
                    file.write(b"x" * 5000)
            self.files.append(path)
        elif kind == "fifo":
            os.mkfifo(path)
        elif kind == "socket":
            os.mknod(path, stat.S_IFSOCK | 0o600)
        elif kind == "device":
            of = dice.choice((stat.S_IFCHR, stat.S_IFBLK))
            # Numbers that no driver has: nothing could be written even by accident.
            os.mknod(path, of | 0o600, os.makedev(250, 250))
        else:
            for _ in range(dice.randrange(3, 30)):
                os.mkdir(path)
                path += b"/d"
            self.write(path, 10)

    def link_target(self, name):
        dice = self.dice
        absolute = os.getcwdb() + b"/"
        return dice.choice((
            absolute + dice.choice(self.outside_files),
            absolute + self.outside,
            absolute + dice.choice(self.directories),
            absolute + dice.choice(self.files or self.outside_files),
            name,
            b".",
            b"..",
            b"/",
            b"nowhere\xff",
        ))  # fmt: skip

    def write(self, path, size):
        with open(path, "wb") as file:
            file.write(b"x" * size)

    def stick(self):
        dice = self.dice
        inside = [path for path in self.files if not os.path.samefile(os.path.dirname(path), self.outside)]
        path = dice.choice(self.directories if dice.random() < 0.4 or not inside else inside)
        if not self.is_stuck(path):
            self.stuck.append((path, dice.choice((IMMUTABLE, IMMUTABLE, APPEND))))

    def is_stuck(self, path):
        return any(os.path.samefile(path, other) for other, _ in self.stuck)

    def mount(self):
        dice = self.dice
        below = self.directories[3:]
        files = [path for path in self.files]
        on_file = files and (not below or dice.random() < 0.3)
        if not on_file and not below:
            return
        at = dice.choice(files if on_file else below)
        for other in self.mounts:
            there = other["at"].encode("latin1")
            if (at + b"/").startswith(there + b"/") or there.startswith(at + b"/"):
                return
        if on_file:
            source = dice.choice(self.outside_files)
        else:
            source = dice.choice((None, self.outside, self.outside + b"/deep"))
        self.mounts.append({"at": at.decode("latin1"), "from": source and source.decode("latin1")})


def set_flag(path, flag):
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        (flags,) = struct.unpack("l", fcntl.ioctl(descriptor, GET_FLAGS, bytes(8)))
        fcntl.ioctl(descriptor, SET_FLAGS, struct.pack("l", flags | flag))
    finally:
        os.close(descriptor)


trees = []
for number in range(first, end):
    tree = Tree(number)
    tree.make()
    trees.append({
        "stuck": [str(os.lstat(path).st_ino) for path, _ in tree.stuck],
        "mounts": tree.mounts,
    })  # fmt: skip
print(json.dumps(trees))
