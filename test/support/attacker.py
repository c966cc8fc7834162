"""
Swaps directories below `data` and `models` in the working directory for links to the same places
below `victim`, and back, and renames them out and in, as fast as it can, until SIGTERM. Every rename
goes through descriptors: a path could lead through one of its own links, and then the attacker would
be the one who changes the victim. At the end it prints how many renames worked.

Arguments: the way (random, top, stalk) and a seed.
"""
import ctypes
import os
import random
import resource
import signal
import struct
import sys

AT_EXCHANGE = 2
IN_ACCESS, IN_DELETE, IN_OPEN = 0x1, 0x200, 0x20
NONBLOCK = os.O_NONBLOCK

libc = ctypes.CDLL(None, use_errno=True)
renameat2 = libc.renameat2
renameat2.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]

way = sys.argv[1]
dice = random.Random(sys.argv[2])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

ended = False


def end(*_):
    global ended
    ended = True


signal.signal(signal.SIGTERM, end)

os.makedirs("aside/links")
os.makedirs("aside/moved")
links = os.open("aside/links", os.O_RDONLY)
moved = os.open("aside/moved", os.O_RDONLY)
watches = libc.inotify_init1(NONBLOCK)

# Of each directory: descriptor of its parent, its name, its own name in aside, index of its parent.
targets = []
by_watch = {}
children = {}


def look(path, descriptor, index, depth):
    with os.scandir(descriptor) as entries:
        names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    for name in names:
        own = len(targets)
        child_path = f"{path}/{name}"
        os.symlink(f"{os.getcwd()}/victim/{child_path}", str(own), dir_fd=links)
        targets.append((descriptor, name.encode(), str(own).encode(), index, depth))
        children.setdefault(index, []).append(own)
        child = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptor)
        look(child_path, child, own, depth + 1)
        if way == "stalk":
            wanted = IN_OPEN | IN_ACCESS | IN_DELETE
            watch = libc.inotify_add_watch(watches, os.fsencode(child_path), wanted)
            by_watch[watch] = own


tops = {}
for top in ("data", "models"):
    tops[top] = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    look(top, tops[top], -1, 0)

high = [index for index, target in enumerate(targets) if target[4] <= 1]
swaps = moves = 0


def swap(index):
    """Whatever is in the tree and whatever is in aside change places."""
    global swaps
    parent, name, own, _, _ = targets[index]
    if renameat2(parent, name, links, own, AT_EXCHANGE) == 0:
        swaps += 1
    else:
        # One of the two is gone: what is left of them is the tree's.
        renameat2(links, own, parent, name, 0)


def move(index):
    global moves
    parent, name, own, _, _ = targets[index]
    if renameat2(parent, name, moved, own, 0) == 0:
        moves += 1
        spin()
        renameat2(moved, own, parent, name, 0)


def spin():
    for _ in range(dice.choice((0, 0, 10, 100, 1000))):
        pass


def strike(index):
    """At a directory that somebody works in right now: itself, one above it or one below it."""
    line = [index]
    while targets[line[-1]][3] >= 0:
        line.append(targets[line[-1]][3])
    line += children.get(index, [])[:2]
    at = dice.choice(line)
    if dice.random() < 0.2:
        move(at)
    else:
        swap(at)
        spin()
        swap(at)


def follow_renamed():
    """Directories that got another name in a configured one: swapped for a link, and back."""
    for top, descriptor in tops.items():
        for name in os.listdir(descriptor):
            if not name.startswith(".") or name in renamed:
                continue
            renamed.add(name)
            own = str(len(targets))
            like = dice.choice(os.listdir(f"victim/{top}"))
            os.symlink(f"{os.getcwd()}/victim/{top}/{like}", own, dir_fd=links)
            targets.append((descriptor, os.fsencode(name), own.encode(), -1, 0))
            high.append(len(targets) - 1)


renamed = set()
print("ready", flush=True)
rounds = 0
while not ended:
    rounds += 1
    if rounds % 256 == 0:
        follow_renamed()
    if way == "random":
        swap(dice.randrange(len(targets)))
        if rounds % 8 == 0:
            move(dice.randrange(len(targets)))
    elif way == "top":
        index = dice.choice(high)
        swap(index)
        spin()
        swap(index)
        if rounds % 8 == 0:
            move(index)
    else:
        try:
            # The last of what happened: by now they are there.
            events = os.read(watches, 1 << 20)
        except BlockingIOError:
            continue
        at, last = 0, -1
        while at < len(events):
            watch, _, _, length = struct.unpack_from("iIII", events, at)
            last = by_watch.get(watch, last)
            at += 16 + length
        if last >= 0:
            strike(last)
print(f"{swaps} {moves}", flush=True)
