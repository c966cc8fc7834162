/** What a Celery worker leaves behind that was killed at its work, beside neighbours of all kinds. */
import { setTimeout as sleep } from 'node:timers/promises';
import { enqueue, startWorker } from './celery.ts';
import type { LiveStack } from './live-stack.ts';
import { celeryApp, SERVICE_NAMES, SERVICES } from './stack.ts';

/** A neighbour's, served by the same worker out of the same database. */
export const FOREIGN_QUEUE = 'foreign_queue';

/** Jobs, results, messages of all priorities, and messages in flight, in every database. */
export async function leaveMess(stack: LiveStack): Promise<void> {
  const video = celeryApp(stack.folder, stack.redis, 'video-downloader');
  const app = { ...video, queues: [video.queues[0], FOREIGN_QUEUE] as const };
  const worker = startWorker(app);
  try {
    enqueue(app, [
      { id: 'done-1' },
      { id: 'done-2' },
      { id: 'later', countdown: 3000 },
      { id: 'foreign-later', countdown: 3000, queue: FOREIGN_QUEUE, save: false },
      ...['a', 'b', 'c', 'd', 'e', 'f'].map((id) => ({
        id: `long-${id}`,
        task: 'sleep' as const,
        args: [1000],
      })),
    ]);
    await worker.waitForLog('quick done-2');
    await settled(() => stack.redis.cli('-n', '1', 'HLEN', 'unacked'));
  } finally {
    await worker.stop('kill');
  }
  for (const name of SERVICE_NAMES) {
    const own = celeryApp(stack.folder, stack.redis, name);
    const priorities = [undefined, 0, 3, 6, 9, 9];
    enqueue({ ...own, queues: [own.queues[0], FOREIGN_QUEUE] }, [
      ...priorities.map((priority, at) => ({
        id: `queued-${at}`,
        ...(priority === undefined ? {} : { priority }),
      })),
      { id: 'foreign-0', queue: FOREIGN_QUEUE, save: false },
      { id: 'foreign-9', queue: FOREIGN_QUEUE, priority: 9, save: false },
    ]);
  }
}

/** Keys of other programs in the same databases and in others. */
export function putNeighbours({ redis }: LiveStack): void {
  for (const db of ['0', '1', '2', '3', '5']) {
    const cli = (...args: readonly string[]): string => redis.cli('-n', db, ...args);
    cli('SET', 'other_job:1', 'x', 'EX', '5000');
    cli('SET', 'x:video_job:1', 'x');
    for (const name of SERVICE_NAMES) {
      const { keyPrefix, queue } = SERVICES[name];
      if (SERVICES[name].db !== Number(db)) cli('SET', `${keyPrefix}1`, 'of another service');
      cli('SET', keyPrefix.slice(0, -1), 'the prefix without its end');
      cli('SET', keyPrefix.toUpperCase() + '1', 'x');
      cli('RPUSH', `${queue}2`, 'x');
      cli('RPUSH', `${queue}:3`, 'no message of Celery');
      cli('RPUSH', `${queue}_other\x06\x163`, 'x');
    }
    cli('SET', 'celery-task-meta-foreign', '{}');
    cli('SET', 'unacked_mutex', 'token');
    cli('SADD', '_kombu.binding.foreign', '\x06\x16\x06\x16foreign');
    cli('RPUSH', '0f6e.reply.celery.pidbox', 'x');
    cli('HSET', 'unacked', 'not-json', '["", "", "not one of theirs"]');
    cli('ZADD', 'unacked_index', '1', 'not-json', '2', 'a tag without an entry');
  }
}

/** Resolves when an answer has not changed for a while. */
async function settled(ask: () => string): Promise<void> {
  for (let last = '', same = 0; same < 5;) {
    const now = ask();
    same = now === last ? same + 1 : 0;
    last = now;
    await sleep(100);
  }
}
