import { setTimeout as sleep } from 'node:timers/promises';
import { countListeners } from '../celery/channels.ts';
import { forgetHolds, tellToConsume } from '../celery/hold.ts';
import type { Hold } from '../celery/hold.ts';
import { openMailboxAnew, refusable } from '../celery/look.ts';
import type { Mailbox } from '../celery/mailbox.ts';
import { ANSWER_MS, askForQueues } from '../celery/workers.ts';
import { connectRedis } from '../redis/connect.ts';
import type { RedisConnection } from '../redis/connect.ts';
import { RedisError } from '../redis/errors.ts';
import { log } from './crew.ts';
import type { Crew } from './crew.ts';
import { databaseOf } from './look-at-workers.ts';
import { unconfirmedFailure } from './worker-warnings.ts';

const RESUME_TRIES = 3;
const RESUME_PAUSE_MS = 300;
/** After a signal: how long a server that does not answer is tried. */
const STOPPED_MS = 5_000;

/**
 * Tells every held consumer to go on, on a new connection where the old one is lost. Never throws,
 * and a signal only shortens the time it has: it is what must happen in every way out.
 */
export async function resumeConsumers(crew: Crew): Promise<void> {
  const { step, link } = crew;
  const limit = someTimeAfter(step.signal, STOPPED_MS);
  try {
    if (crew.held.length > 0 && link !== undefined) {
      for (let attempt = 1; ; attempt += 1) {
        try {
          await resume(crew, link.connection, databaseOf(link.target), attempt === 1);
          break;
        } catch (error) {
          if (!(error instanceof RedisError)) throw error;
          link.connection?.close();
          link.connection = undefined;
          if (attempt === RESUME_TRIES || limit.signal.aborted) throw error;
          await sleep(RESUME_PAUSE_MS * attempt);
          link.connection = await connectRedis(link.target, limit.signal).catch(() => undefined);
        }
      }
    } else {
      await crew.look?.mailbox?.close();
    }
  } catch (error) {
    const queues = [...new Set(crew.held.map(({ queue }) => queue))].join(', ');
    if (crew.held.length > 0) {
      step.report({
        target: 'Celery',
        item: queues,
        code: error instanceof RedisError ? error.code : 'ERR',
        reason: `Its consumers are still held: ${error instanceof Error ? error.message : String(error)}`,
        hint: 'when Redis answers again: media-cleanup doctor --fix',
      });
    }
  } finally {
    limit.end();
    crew.onHold(0);
    // Opened for the workers alone: see running-tasks.ts.
    if (link !== step.service.redis && link !== step.service.broker) link?.connection?.close();
  }
}

/** A signal that follows another one, so many milliseconds later. */
function someTimeAfter(
  signal: AbortSignal,
  milliseconds: number,
): { readonly signal: AbortSignal; readonly end: () => void } {
  const later = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const start = (): void => {
    timer = setTimeout(() => {
      later.abort();
    }, milliseconds);
  };
  if (signal.aborted) start();
  else signal.addEventListener('abort', start, { once: true });
  return {
    signal: later.signal,
    end() {
      signal.removeEventListener('abort', start);
      clearTimeout(timer);
    },
  };
}

async function resume(
  crew: Crew,
  broker: RedisConnection | undefined,
  db: number,
  isFirst: boolean,
): Promise<void> {
  const { step, look } = crew;
  const names = step.keys.broker;
  if (broker === undefined) throw new RedisError('ECONNRESET', 'Connection lost', '');
  // The one of the hold, unless the connection was lost that it is on.
  const mailbox =
    isFirst && look?.mailbox ? look.mailbox : await openMailboxAnew(broker, names, db);
  try {
    const unsettled = crew.unsettled ? await notLeft(crew.held, mailbox) : [];
    const told = await tellToResume(crew.held, mailbox, await slowMsNow(crew, broker));
    // Such a worker may still leave after it has said that it consumes.
    const done = told.filter((hold) => !unsettled.includes(hold));
    await refusable(forgetHolds(broker, names, done, look?.mailbox?.oid));
    const unsure = crew.held.filter((hold) => !done.includes(hold));
    for (const hold of unsure)
      if (!crew.missing.has(hold.worker)) step.report(unconfirmedFailure(hold));
    for (const queue of new Set(crew.held.map((hold) => hold.queue))) {
      const workers = done.filter((hold) => hold.queue === queue).map(({ worker }) => worker);
      if (workers.length > 0)
        log(crew, 'resume', `Celery: ${workers.join(', ')} consumes ${queue} again`);
    }
  } finally {
    await mailbox.close();
    if (mailbox !== look?.mailbox) await look?.mailbox?.close(broker);
  }
}

/** A worker that is gone answers no more, and neither does the user of a run that was stopped wait. */
async function slowMsNow(crew: Crew, broker: RedisConnection): Promise<number> {
  const { step, look, slowMs } = crew;
  if (step.signal.aborted || look === undefined) return 0;
  const listening = await countListeners(broker, look.channels.all);
  return listening < look.listening ? 0 : slowMs;
}

/** How long a worker may take to leave a queue that it was told to leave, and to consume again. */
const RESUME_MS = 3_000;
/** From one message to the next, at most. */
const LONGEST_PAUSE_MS = 500;

/**
 * Waits until workers have left the queues that they were told to leave. A worker that is told to consume
 * before it has left may do both in the wrong order: without an event loop of kombu (gevent, eventlet,
 * threads and solo on some platforms) it does what was told last first (celery/worker/consumer/consumer.py
 * `perform_pending_operations`), and then it consumes nothing until it is restarted.
 * @returns the holds of workers that answer and have not left. @throws RedisError.
 */
async function notLeft(holds: readonly Hold[], mailbox: Mailbox): Promise<readonly Hold[]> {
  const start = performance.now();
  let open = holds;
  for (let pause = 10; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    const consuming = await askForQueues(mailbox, [...new Set(open.map(({ worker }) => worker))]);
    open = open.filter(({ worker, queue }) => consuming.get(worker)?.includes(queue) === true);
    if (open.length === 0 || performance.now() - start > RESUME_MS) return open;
    await sleep(pause);
  }
}

/**
 * Tells workers to consume again until they do: whoever was told to leave a moment ago may do both in
 * the wrong order. One that does not answer reads it later, and is waited for as long as a slow one may take.
 * @param slowMs milliseconds.
 * @returns those that do. @throws RedisError.
 */
export async function tellToResume(
  holds: readonly Hold[],
  mailbox: Mailbox,
  slowMs = 0,
): Promise<readonly Hold[]> {
  const never = new AbortController().signal;
  const start = performance.now();
  const done = new Set<Hold>();
  const heard = new Set<string>();
  for (let pause = 10; done.size < holds.length; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    const open = holds.filter((hold) => !done.has(hold));
    const queues = [...new Set(open.map(({ queue }) => queue))];
    const told = await Promise.all(
      queues.map(async (queue) => {
        const workers = open.filter((hold) => hold.queue === queue).map(({ worker }) => worker);
        return { sent: await tellToConsume(mailbox, queue, workers), workers };
      }),
    );
    await mailbox.receiveUntil(
      () => told.every(({ sent, workers }) => workers.every((name) => sent.replies.has(name))),
      ANSWER_MS,
      never,
    );
    const names = [...new Set(told.flatMap(({ sent }) => [...sent.replies.keys()]))];
    for (const name of names) heard.add(name);
    const waited = performance.now() - start;
    const isSlow = waited < slowMs && open.some(({ worker }) => !heard.has(worker));
    if (names.length === 0 && !isSlow) break;
    // The answer comes before the deed.
    await sleep(pause);
    const consuming = await askForQueues(mailbox, names);
    for (const hold of open) {
      if (consuming.get(hold.worker)?.includes(hold.queue) === true) done.add(hold);
    }
    if (waited > RESUME_MS && !isSlow) break;
  }
  return holds.filter((hold) => done.has(hold));
}
