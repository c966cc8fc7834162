"""Sends PING to the Redis on port argv[1] about every millisecond, until its input ends; then prints
what the answers took, in ms. In a process of its own: nobody else's event loop delays it."""

import gc
import json
import select
import socket
import sys
import time

gc.disable()
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
print("ready", flush=True)

latencies = []
while not select.select([sys.stdin], [], [], 0.001)[0]:
    start = time.perf_counter()
    connection.sendall(b"PING\r\n")
    reply = connection.recv(64)
    latencies.append((time.perf_counter() - start) * 1000)
    if reply != b"+PONG\r\n":
        sys.exit(f"Redis answered PING with {reply!r}")

latencies.sort()
p99 = latencies[len(latencies) * 99 // 100]
print(json.dumps({"p99": p99, "worst": latencies[-1]}))
