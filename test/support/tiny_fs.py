"""A small FUSE file system, spoken by hand because fusepy hides what matters here.

Arguments: mount point, files, size of a block, size of a fragment. Its directory `data` holds so
many files of 8 sectors. A listing goes by position, so that removing names shifts the others; blocks
are free in fragments, of which each file has one. Ends when it is unmounted.
"""
import ctypes
import os
import struct
import sys

LOOKUP, FORGET, GETATTR, UNLINK, RMDIR, STATFS = 1, 2, 3, 10, 11, 17
RELEASE, FLUSH, INIT, OPENDIR, READDIR, RELEASEDIR, BATCH_FORGET = 18, 25, 26, 27, 28, 29, 42
ROOT, DATA, FIRST_FILE = 1, 2, 3
ENOENT, ENOSYS = -2, -38
HEADER = struct.Struct("<IIQQ")

mount_point = sys.argv[1]
files, block_size, fragment_size = map(int, sys.argv[2:5])
nodes = {f"file-{index}".encode(): FIRST_FILE + index for index in range(files)}
order = list(nodes)
free = 1000


def attributes(node):
    is_directory = node in (ROOT, DATA)
    mode, links, sectors = (0o40755, 2, 0) if is_directory else (0o100644, 1, 8)
    times = (0,) * 6
    return struct.pack(
        "<QQQQQQIIIIIIIIII", node, 4096, sectors, *times, mode, links, 0, 0, 0, 4096, 0
    )


def listing(node, offset, size):
    global order
    if offset == 0 and node == DATA:
        order = [name for name in order if name in nodes]
    if node == DATA and len(order) != len(nodes):
        order = [name for name in order if name in nodes]
    names = [b"data"] if node == ROOT else order
    reply = b""
    for index in range(offset, len(names)):
        name = names[index]
        child, kind = (DATA, 4) if node == ROOT else (nodes[name], 8)
        record = struct.pack("<QQII", child, index + 1, len(name), kind) + name
        record += b"\0" * (-len(record) % 8)
        if len(reply) + len(record) > size:
            break
        reply += record
    return 0, reply


def answer(operation, node, body):
    global free
    name = body.rstrip(b"\0")
    if operation == INIT:
        return 0, struct.pack("<IIIIHHIIHHI", 7, 31, 65536, 0, 16, 12, 65536, 1, 32, 0, 0) + bytes(24)
    if operation == LOOKUP:
        child = DATA if (node, name) == (ROOT, b"data") else nodes.get(name)
        if child is None:
            return ENOENT, b""
        return 0, struct.pack("<QQQQII", child, 0, 0, 0, 0, 0) + attributes(child)
    if operation == GETATTR:
        return 0, struct.pack("<QII", 0, 0, 0) + attributes(node)
    if operation == STATFS:
        sizes = (block_size, 255, fragment_size, 0)
        return 0, struct.pack("<QQQQQIIII", 10000, free, free, 1000, 500, *sizes) + bytes(24)
    if operation == OPENDIR:
        return 0, struct.pack("<QII", 1, 0, 0)
    if operation == READDIR:
        _, offset, size = struct.unpack_from("<QQI", body)
        return listing(node, offset, size)
    if operation == UNLINK:
        if nodes.pop(name, None) is None:
            return ENOENT, b""
        free += 1
        return 0, b""
    if operation in (RELEASE, FLUSH, RELEASEDIR):
        return 0, b""
    return ENOSYS, b""


device = os.open("/dev/fuse", os.O_RDWR)
libc = ctypes.CDLL(None, use_errno=True)
options = f"fd={device},rootmode=40755,user_id=0,group_id=0,allow_other"
if libc.mount(b"tiny", mount_point.encode(), b"fuse", 6, options.encode()):
    raise OSError(ctypes.get_errno(), "mount")
print("ready", flush=True)
while True:
    try:
        request = os.read(device, 1 << 20)
    except OSError as error:
        if error.errno == 19:
            break
        if error.errno in (2, 4):
            continue
        raise
    length, operation, unique, node = HEADER.unpack_from(request)
    if operation in (FORGET, BATCH_FORGET):
        continue
    error, reply = answer(operation, node, request[40:length])
    try:
        os.write(device, struct.pack("<IiQ", 16 + len(reply), error, unique) + reply)
    except OSError:
        pass
