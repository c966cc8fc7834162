/** Removes the keys of the database at $REDIS_URL that match argv[2], as ioredis' README has it. */
import { Redis } from 'ioredis';

const redis = new Redis(process.env.REDIS_URL);
const stream = redis.scanStream({ match: process.argv[2], count: 100 });
stream.on('data', (/** @type {readonly string[]} */ keys) => {
  if (keys.length === 0) return;
  const pipeline = redis.pipeline();
  for (const key of keys) pipeline.unlink(key);
  void pipeline.exec();
});
stream.on('end', () => void redis.quit());
