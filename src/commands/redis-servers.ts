import { RedisError } from '../redis/errors.ts';
import { readServerState, saveToDisk, settledState } from '../redis/server-state.ts';
import type { ServerState } from '../redis/server-state.ts';
import { serverLabel } from '../redis/target.ts';
import { megabytes } from '../report/totals.ts';
import type { Failure, RedisServerReport } from '../report/types.ts';
import { linksOf, onLink, silently, stepFailure } from './links.ts';
import type { Link } from './links.ts';
import type { StepContext } from './step.ts';

/** What the servers of a run give back, and whether it is on their disks. */

/** A server that a run works on, by way of one of its services. */
interface MeasuredServer {
  readonly link: Link;
  readonly step: StepContext;
  readonly steps: StepContext[];
  /** Undefined when this user may not ask for it. */
  readonly before: ServerState | undefined;
}

export type MeasuredServers = readonly MeasuredServer[];

/** What is asked of the servers before anything is removed. */
export interface Measuring {
  /** When those of this service have told, so that it can be removed. */
  readonly done: (step: StepContext) => Promise<void>;
  readonly servers: Promise<MeasuredServers>;
}

/** A server that refuses the command is no error here: the reply is for figures only. */
export function measureServers(steps: readonly StepContext[]): Measuring {
  const links = steps.flatMap((step) =>
    linksOf(step.service)
      .filter((link) => link.connection !== undefined)
      .map((link) => ({ link, step })),
  );
  const asked = links.map(async ({ link }) => quietly(link, readServerState));
  const servers = Promise.all(asked).then((states) => byServer(links, states));
  // The caller that awaits the promise gets the error; an interrupted run does not await it.
  servers.catch(() => undefined);
  return {
    async done(step) {
      await Promise.all(asked.filter((_, index) => links[index]?.step === step));
    },
    servers,
  };
}

function byServer(
  links: readonly Pick<MeasuredServer, 'link' | 'step'>[],
  states: readonly (ServerState | undefined)[],
): MeasuredServers {
  const servers = new Map<string, MeasuredServer>();
  for (const [index, { link, step }] of links.entries()) {
    const before = states[index];
    const identity = before?.identity ?? serverLabel(link.target);
    const known = servers.get(identity);
    if (known === undefined) servers.set(identity, { link, step, steps: [step], before });
    else if (!known.steps.includes(step)) known.steps.push(step);
  }
  return [...servers.values()];
}

async function quietly<T>(
  link: Link,
  work: (connection: NonNullable<Link['connection']>) => Promise<T>,
): Promise<T | undefined> {
  const step = { target: link.failureTarget, name: 'memory' };
  return await onLink(link, step, silently, work);
}

/** So long the background freeing is waited for. */
const FREEING_MS = 3_000;

/** @throws the signal's reason. */
export async function compareServers(
  servers: MeasuredServers,
  signal: AbortSignal,
): Promise<readonly RedisServerReport[]> {
  const known = servers.flatMap(({ before, ...server }) =>
    before === undefined ? [] : [{ ...server, before }],
  );
  return await Promise.all(
    known.map(async ({ link, steps, before }): Promise<RedisServerReport> => {
      const after = await quietly(link, async (redis) => settledState(redis, FREEING_MS, signal));
      for (const step of steps) reportRestart(link, step, after);
      if (after !== undefined && isFull(after))
        for (const step of steps) step.warn(fullWarning(link, after));
      const removed = steps.reduce(
        (sum, { tally }) =>
          sum + tally.jobs + tally.results + tally.queued + tally.inFlight + tally.cancelled.size,
        0,
      );
      return {
        server: serverLabel(link.target),
        services: steps.map(({ service }) => service.config.name),
        removed,
        usedBefore: before.usedMemory,
        usedAfter: after?.usedMemory,
        isStillFreeing: (after?.pendingFrees ?? 0) > 0,
        onDisk: after === undefined ? 'unknown' : onDisk(after),
      };
    }),
  );
}

function isFull({ usedMemory, maxMemory, evictionPolicy }: ServerState): boolean {
  return maxMemory > 0 && usedMemory >= maxMemory && evictionPolicy === 'noeviction';
}

/** Nothing of the services is left by then. */
function fullWarning({ target }: Link, { usedMemory, maxMemory }: ServerState): string {
  const figures = `${megabytes(usedMemory)} MB of ${megabytes(maxMemory)} MB`;
  return `Redis ${serverLabel(target)} is still full (${figures}): what is left is not of the services that were wiped, and nothing more is stored; remove it, or raise \`maxmemory\``;
}

/** A crash after the last look brings back what a snapshot still has. */
function reportRestart(link: Link, step: StepContext, after: ServerState | undefined): void {
  const proven = step.tally.provenOn.get(link.label);
  if (proven === undefined || after === undefined || after.identity === proven) return;
  doubt(step, link);
  const error = new RedisError(
    'ERESTARTED',
    'It was started anew, or another server took over, after the last look: what went may be back',
    'run again',
  );
  step.report(stepFailure(link, { target: link.failureTarget, name: 'restart' }, error));
}

/** It is said once. */
function doubt({ tally }: StepContext, link: Link): void {
  tally.isDoubtful = true;
  tally.provenOn.delete(link.label);
}

function onDisk({ savesTo, changesSinceSave }: ServerState): RedisServerReport['onDisk'] {
  if (savesTo === 'log') return 'log';
  if (savesTo === 'nothing') return 'nothing is saved';
  return changesSinceSave > 0 ? 'at the next save' : 'saved';
}

const SAVING_MS = 120_000;

/** `--persist`: what fails is a failure of the first service of that server. @throws the signal's reason. */
export async function persistServers(servers: MeasuredServers, signal: AbortSignal): Promise<void> {
  await Promise.all(
    servers.map(async ({ link, step, steps, before }) => {
      const { name } = step.service.config;
      const target = { target: link.failureTarget, name: 'save' };
      if (link.connection === undefined) {
        const error = new RedisError('EPERSIST', 'Not saved, since the connection is lost', '');
        step.report(stepFailure(link, target, error));
        return;
      }
      const started = performance.now();
      step.observer.progress({ service: name, step: 'save', done: 0, bytes: 0 });
      const report = (failure: Failure): void => {
        step.report(failure);
        if (failure.code === 'ERESTARTED') steps.forEach((one) => doubt(one, link));
      };
      const done = await onLink(link, target, report, async (redis) => {
        const identity = step.tally.provenOn.get(redis.label);
        await saveToDisk(redis, { identity, milliseconds: SAVING_MS, signal });
        return true;
      });
      if (done === undefined) return;
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      const how = before?.savesTo === 'log' ? 'its log is on disk' : 'it has saved to disk';
      step.observer.log({
        level: 'INFO',
        service: name,
        step: 'save',
        message: `Redis ${serverLabel(link.target)}: ${how}, after ${seconds} s`,
      });
    }),
  );
}
