import { onTestFinished } from 'vitest';
import { startRedis, type RedisOptions, type TestRedis } from './redis.ts';

/** `startRedis`, and its end with the test. */
export async function redisOfTest(folder: string, options?: RedisOptions): Promise<TestRedis> {
  const redis = await startRedis(folder, options);
  onTestFinished(async () => {
    await redis.stop();
  });
  return redis;
}
