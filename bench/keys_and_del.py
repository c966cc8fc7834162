"""Removes the keys of the database at $REDIS_URL that match argv[1], the way the services do it."""

import os
import sys

import redis

client = redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
for key in client.keys(sys.argv[1]):
    client.delete(key)
