"""Prints `hex(key) type sha256` for every key of the database at $REDIS_URL, sorted by key."""

import hashlib
import os

import redis

BATCH = 1000


def ask(pipe, key, kind):
    # A hash table's order, and so its DUMP, may change without a write: these are sorted below.
    if kind == b"set":
        pipe.smembers(key)
    elif kind == b"hash":
        pipe.hgetall(key)
    elif kind == b"zset":
        pipe.zrange(key, 0, -1, withscores=True)
    elif kind == b"list":
        pipe.lrange(key, 0, -1)
    else:
        pipe.dump(key)


def value(kind, reply):
    if kind == b"set":
        return sorted(reply)
    if kind == b"hash":
        return sorted(reply.items())
    return reply


client = redis.from_url(os.environ["REDIS_URL"])
keys = sorted(set(client.scan_iter(count=BATCH)))
for start in range(0, len(keys), BATCH):
    batch = keys[start : start + BATCH]
    pipe = client.pipeline(transaction=False)
    for key in batch:
        pipe.type(key)
        # The time itself and not what is left of it, which changes between two looks.
        pipe.execute_command("PEXPIRETIME", key)
    replies = pipe.execute()
    kinds, expiries = replies[0::2], replies[1::2]
    for key, kind in zip(batch, kinds):
        ask(pipe, key, kind)
    for key, kind, expiry, reply in zip(batch, kinds, expiries, pipe.execute()):
        entry = (kind, expiry, value(kind, reply))
        print(key.hex(), kind.decode(), hashlib.sha256(repr(entry).encode()).hexdigest())
