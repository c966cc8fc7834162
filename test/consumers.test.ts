/** Who is a consumer: a worker without remote control is, a client that asks a list now and then is not. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { findPython } from './setup/needs.ts';
import { enqueue, startPython } from './support/celery.ts';
import { requireOrSkip } from './support/requirements.ts';
import {
  VIDEO,
  VIDEO_QUEUE,
  videoStack,
  wipeVideo,
  type VideoStack,
} from './support/video-workers.ts';

const possible = requireOrSkip('redis', 'celery');
const ALARM = /remote control/i;

/** A client that has asked a list once, and stays connected. */
async function askedOnce(stack: VideoStack, key: string): Promise<void> {
  const socket = connect(stack.redis.port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.write(`SELECT 1\r\nBRPOP ${key} 0.1\r\n`);
  for (let text = ''; !text.includes('*-1');) {
    const [data] = (await once(socket, 'data')) as [Buffer];
    text += data.toString();
  }
}

/** An API that looks every second whether a list has something, beside other work on its connections. */
function healthCheck(stack: VideoStack): void {
  const script = `
import redis, time
one, two = (redis.Redis(port=${stack.redis.port}, db=1) for _ in range(2))
while True:
    one.brpop("${VIDEO_QUEUE}:health", timeout=1)
    pipe = two.pipeline(); pipe.set("api:seen", 1); pipe.expire("api:seen", 60)
    time.sleep(2.5); pipe.execute(); time.sleep(0.5)`;
  const child = spawn(findPython().path, ['-c', script], { stdio: 'ignore' });
  onTestFinished(() => void child.kill('SIGKILL'));
}

async function alarms(stack: VideoStack): Promise<readonly string[]> {
  const found: string[] = [];
  for (const args of [
    ['doctor', VIDEO],
    ['stats', VIDEO],
    [VIDEO, '-n'],
  ]) {
    const { stdout, stderr } = await stack.run(args);
    if (ALARM.test(stdout + stderr)) found.push(args.join(' '));
  }
  const { stdout, stderr, code } = await wipeVideo(stack);
  if (ALARM.test(stdout + stderr) || code !== 0) found.push(`wipe: exit ${code}\n${stderr}`);
  return found;
}

describe.skipIf(!possible)('is no consumer', () => {
  test.each(['no worker', 'a worker'])(
    'a client that asked a list long ago, beside %s',
    async (beside) => {
      const stack = await videoStack();
      if (beside === 'a worker') {
        const worker = await stack.worker();
        enqueue(stack.app, [{ id: 'one' }]);
        await worker.waitForLog('[one] succeeded');
      }
      await askedOnce(stack, VIDEO_QUEUE);
      await askedOnce(stack, 'other');
      expect(await alarms(stack)).toEqual([]);
      await sleep(2_500);
      expect(await alarms(stack)).toEqual([]);
    },
  );

  test('an API that asks a list again and again', async () => {
    const stack = await videoStack();
    await stack.worker();
    healthCheck(stack);
    await stack.until('the health check', () => stack.cli('EXISTS', 'api:seen') === '1');
    for (let round = 0; round < 3; round += 1) {
      expect(await alarms(stack)).toEqual([]);
      await sleep(400);
    }
  });

  test('an API that pings the workers', async () => {
    const stack = await videoStack();
    await stack.worker();
    const script =
      'import time\nwhile True: app.control.ping(timeout=1); print("pinged"); time.sleep(1.5)';
    const api = startPython(stack.app, script);
    onTestFinished(async () => api.stop('kill'));
    await api.waitForLog('pinged');
    for (let round = 0; round < 3; round += 1) {
      expect(await alarms(stack)).toEqual([]);
      await sleep(400);
    }
  });
});

describe.skipIf(!possible)('is a consumer without remote control', () => {
  test.each([
    { pool: 'solo', busy: false },
    { pool: 'solo', busy: true },
    { pool: 'solo', busy: true, args: ['--without-heartbeat'] },
    { pool: 'prefork', busy: false },
    { pool: 'prefork', busy: true },
  ] as const)('a worker: %j', async ({ pool, busy, ...how }) => {
    const stack = await videoStack({ remoteControl: false });
    const options = 'args' in how ? how : { gossip: true };
    const worker = await stack.worker({ pool, ...options });
    await askedOnce(stack, 'other');
    if (busy) {
      enqueue(stack.app, [{ id: 'long', task: 'sleep', args: [60] }]);
      await worker.waitForLog('[long] received');
      await sleep(3_000);
    }
    const { stdout } = await stack.run(['doctor', VIDEO]);
    expect(stdout.replaceAll(/\s+/g, ' ')).toMatch(/1 consumer on \S+ does not listen to remote/);
    const { code, service } = await wipeVideo(stack);
    expect({ code, verified: service.verified }).toEqual({ code: 1, verified: false });
    expect(service.errors).toEqual([
      expect.stringMatching(/^Celery\/1 consumer on \S+: Does not listen to remote control/),
    ]);
  });
});
