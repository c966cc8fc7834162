/** A client that answers remote control as a worker would, with whatever a test wants it to say. */
import { Redis } from 'ioredis';
import { onTestFinished } from 'vitest';

export interface Control {
  readonly method: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly destination: readonly string[] | null;
}

export interface FakeWorker {
  /** Every message that came, oldest first. */
  readonly heard: readonly Control[];
}

/** Replies to one message: names with what they answer; a name may come several times. */
export type Answers = (control: Control) => readonly (readonly [name: string, value: unknown])[];

/** Ends with the test. @param delay milliseconds before a reply is sent. */
export async function fakeWorker(
  { port, db }: { readonly port: number; readonly db: number },
  answers: Answers,
  delay = 0,
): Promise<FakeWorker> {
  const heard: Control[] = [];
  const listener = new Redis({ port, db });
  const sender = new Redis({ port, db });
  onTestFinished(() => {
    listener.disconnect();
    sender.disconnect();
  });
  listener.on('pmessage', (_pattern, _channel, text: string) => {
    const message = JSON.parse(text) as { readonly body: string };
    const control = JSON.parse(Buffer.from(message.body, 'base64').toString()) as Control & {
      readonly ticket?: string;
      readonly reply_to?: { readonly exchange: string; readonly routing_key: string };
    };
    heard.push(control);
    const { ticket, reply_to: to } = control;
    if (ticket === undefined || to === undefined) return;
    const replies = answers(control).map(([name, value]) =>
      replyMessage(ticket, { [name]: value }),
    );
    if (replies.length === 0) return;
    setTimeout(() => {
      // The default exchange names the queue itself (kombu's `basic_publish`).
      const list = to.exchange === '' ? to.routing_key : `${to.routing_key}.${to.exchange}`;
      void sender.lpush(list, ...replies).catch(() => undefined);
    }, delay);
  });
  await listener.psubscribe(`/${db}.celery.pidbox`);
  return { heard };
}

/** A reply as kombu puts it (kombu/pidbox.py `Mailbox._publish_reply`). */
export function replyMessage(ticket: unknown, body: unknown): string {
  return JSON.stringify({
    body: Buffer.from(JSON.stringify(body)).toString('base64'),
    'content-type': 'application/json',
    'content-encoding': 'utf-8',
    headers: { ticket, clock: 1 },
    properties: { body_encoding: 'base64', delivery_tag: 'x' },
  });
}

/** What an idle worker of this queue says to each question. */
export function honest(queue: string, tasks: Readonly<Record<string, unknown>> = {}) {
  return ({ method }: Control): unknown =>
    tasks[method] ??
    {
      ...{ ping: { ok: 'pong' }, stats: { pid: 7, uptime: 100 }, active_queues: [{ name: queue }] },
      ...{ active: [], reserved: [], scheduled: [], revoked: [] },
      ...{ revoke: { ok: 'tasks flagged as revoked' }, cancel_consumer: { ok: 'no longer' } },
      add_consumer: { ok: 'consuming' },
    }[method];
}

/** As `Request.info` has it. */
export function taskInfo(id: string, queue: string): object {
  return { id, name: 'job', delivery_info: { exchange: '', routing_key: queue }, worker_pid: 8 };
}
