"""Prints `hex(key) type sha256` for every key of the database at $REDIS_URL, sorted by key."""

import hashlib
import os

import redis


def value(client, key, kind):
    # A hash table's order, and so its DUMP, may change without a write: these are sorted instead.
    if kind == b"set":
        return sorted(client.smembers(key))
    if kind == b"hash":
        return sorted(client.hgetall(key).items())
    if kind == b"zset":
        return client.zrange(key, 0, -1, withscores=True)
    if kind == b"list":
        return client.lrange(key, 0, -1)
    return client.dump(key)


client = redis.from_url(os.environ["REDIS_URL"])
for key in sorted(set(client.scan_iter(count=1000))):
    kind = client.type(key)
    # The time itself and not what is left of it, which changes between two looks.
    entry = (kind, client.execute_command("PEXPIRETIME", key), value(client, key, kind))
    print(key.hex(), kind.decode(), hashlib.sha256(repr(entry).encode()).hexdigest())
