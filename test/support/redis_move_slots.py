"""Moves slots of a cluster to another primary and back again, as `redis-cli --cluster reshard` does.

Arguments: port of the source, port of the target, first slot, last slot. Goes on until its input
ends, and then finishes the slot at hand, so that none stays half moved. Prints each slot that has
moved. What the cluster refuses for the moment, for a failover say, is tried again.
"""

import sys
import threading
import time

import redis

source_port, target_port, first, last = map(int, sys.argv[1:])
end = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), end.set()), daemon=True).start()


def patiently(node, *command):
    for attempt in range(600):
        try:
            return node.execute_command(*command)
        except redis.exceptions.RedisError as error:
            print(f"{command[0]} {command[1]}: {error}", file=sys.stderr, flush=True)
            if attempt == 599:
                raise
            time.sleep(0.05)


def move(slot, source, target):
    source_id, target_id = (patiently(node, "CLUSTER", "MYID") for node in (source, target))
    patiently(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
    patiently(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
    port = target.connection_pool.connection_kwargs["port"]
    while keys := patiently(source, "CLUSTER", "GETKEYSINSLOT", slot, 10):
        patiently(source, "MIGRATE", "127.0.0.1", port, "", 0, 5000, "KEYS", *keys)
    # The target first: were it the source, neither would own the slot for a moment.
    patiently(target, "CLUSTER", "SETSLOT", slot, "NODE", target_id)
    patiently(source, "CLUSTER", "SETSLOT", slot, "NODE", target_id)
    print(slot, flush=True)


source, target = (redis.Redis(host="127.0.0.1", port=port) for port in (source_port, target_port))
while True:
    for slot in range(first, last + 1):
        if end.is_set():
            sys.exit()
        move(slot, source, target)
    source, target = target, source
