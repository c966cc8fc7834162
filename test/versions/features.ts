/** What is in a worker's hands when the wipe begins, one scene each. */
import type { CeleryApp, WorkerOptions } from '../support/celery.ts';

export type Pool = NonNullable<WorkerOptions['pool']>;

export interface Feature {
  readonly name: string;
  /** Python that sends the tasks, after `PRELUDE`. */
  readonly script: string;
  /** Tasks that must have begun before the wipe, of the tasks that the worker can run at once. */
  readonly begun: (slots: number) => number;
  /** Messages that the worker must have fetched before the wipe; default: none. */
  readonly fetched?: number;
  /** Scheduled tasks begin so long after they were sent. */
  readonly dueSeconds?: number;
  /** The tasks that hold their slots end during the wipe; default: after it. */
  readonly endsDuringWipe?: boolean;
  readonly app?: Partial<CeleryApp>;
  readonly worker?: Pick<WorkerOptions, 'args' | 'supervised'>;
  /** More workers of the same queue; default 0. */
  readonly moreWorkers?: number;
  /** More of the service's `celery` in the config. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** More arguments of the wipe. */
  readonly flags?: readonly string[];
  /** Default: all. */
  readonly pools?: readonly Pool[];
  /** Takes a minute: with one version only. */
  readonly slow?: boolean;
}

/** `send("quick", "id", countdown=6)` saves the job and sends its message; `part` only saves. */
export const PRELUDE = `
from celery import chain, chord, group

def send(task, name, *args, **more):
    save_job(name, options["keyPrefix"], "queued")
    app.tasks[task].apply_async(args=args, task_id=name, **more)

def part(task, name, *args):
    save_job(name, options["keyPrefix"], "queued")
    return app.tasks[task].si(*args).set(task_id=name)
`;

const DUE_SECONDS = 12;
const BLOCKERS = `[send("wait", "busy-%d" % n) for n in range(2)]\n`;
/** Ids of the tasks `wait`, which end when they are released. */
export const WAITING: readonly string[] = [
  ...['busy', 'part'].flatMap((name) => [0, 1, 2, 3].map((number) => `${name}-${number}`)),
  'first',
];
const allSlots = (slots: number): number => Math.min(slots, 2);

const SCHEDULED = `
[send("quick", "due-%d" % n, countdown=${DUE_SECONDS}) for n in range(6)]
send("quick", "later", countdown=3000)`;

const FEATURES_OF_ALL_POOLS: readonly Feature[] = [
  {
    name: 'running',
    script: BLOCKERS,
    begun: allSlots,
  },
  {
    name: 'running, --wait-idle',
    script: `${BLOCKERS}[send("quick", "next-%d" % n) for n in range(6)]`,
    begun: allSlots,
    flags: ['--wait-idle', '60s'],
    endsDuringWipe: true,
  },
  {
    name: 'prefetched',
    script: `${BLOCKERS}[send("quick", "next-%d" % n) for n in range(6)]`,
    begun: allSlots,
  },
  {
    name: 'acks_late',
    script: `${BLOCKERS}[send("quick", "next-%d" % n) for n in range(4)]`,
    begun: allSlots,
    app: { acksLate: true, rejectOnWorkerLost: true },
  },
  {
    name: 'priorities',
    script: `${BLOCKERS}[send("quick", "next-%d" % n, priority=n % 10) for n in range(12)]`,
    begun: allSlots,
    app: { prefetchMultiplier: 1 },
  },
  {
    name: 'countdown',
    script: SCHEDULED,
    begun: () => 0,
    fetched: 7,
    dueSeconds: DUE_SECONDS,
  },
  {
    name: 'countdown, --restart-workers',
    script: SCHEDULED,
    begun: () => 0,
    fetched: 7,
    dueSeconds: DUE_SECONDS,
    worker: { supervised: true },
    flags: ['--restart-workers'],
  },
  {
    name: 'group',
    script: `group([part("wait", "part-%d" % n) for n in range(4)]).apply_async()`,
    begun: allSlots,
  },
  {
    name: 'chord',
    script: `
chord([part("wait", "part-%d" % n) for n in range(2)]
      + [part("quick", "part-%d" % n) for n in range(2, 5)])(part("quick", "callback"))`,
    begun: allSlots,
  },
  {
    name: 'chain',
    script: `chain(part("wait", "first"), part("quick", "second"), part("quick", "third")).apply_async()`,
    begun: () => 1,
  },
];

const FEATURES_OF_PREFORK: readonly Feature[] = [
  {
    name: 'gzip',
    script: `${BLOCKERS}[send("quick", "next-%d" % n) for n in range(6)]`,
    begun: allSlots,
    app: { settings: { task_compression: 'gzip', result_compression: 'gzip' } },
  },
  {
    name: 'autoscale',
    script: `${BLOCKERS}[send("quick", "next-%d" % n) for n in range(6)]`,
    begun: allSlots,
    worker: { args: ['--autoscale=4,2'] },
  },
  {
    name: 'two workers',
    script: `
[send("wait", "busy-%d" % n) for n in range(4)]
[send("quick", "next-%d" % n) for n in range(12)]`,
    begun: () => 4,
    moreWorkers: 1,
    // Else the first worker has fetched all of it before the second asks.
    app: { prefetchMultiplier: 1 },
  },
  {
    name: 'global_keyprefix',
    script: `${BLOCKERS}[send("quick", "next-%d" % n, priority=n % 10) for n in range(6)]`,
    begun: allSlots,
    app: { globalKeyPrefix: 'mine:' },
    config: { globalKeyPrefix: 'mine:' },
  },
  {
    name: 'separator',
    script: `${BLOCKERS}[send("quick", "next-%d" % n, priority=n % 10) for n in range(12)]`,
    begun: allSlots,
    app: { prefetchMultiplier: 1, transport: { sep: ':' } },
  },
  {
    name: '20,000 scheduled, --restart-workers',
    script: `
signature = app.tasks["quick"]
with app.producer_pool.acquire(block=True) as producer:
    for n in range(20000):
        signature.apply_async(task_id="due-%d" % n, countdown=3000, producer=producer)`,
    begun: () => 0,
    fetched: 20_000,
    worker: { supervised: true },
    flags: ['--restart-workers'],
    slow: true,
  },
].map((feature): Feature => ({ ...feature, pools: ['prefork'] }));

export const FEATURES: readonly Feature[] = [...FEATURES_OF_ALL_POOLS, ...FEATURES_OF_PREFORK];
