import { request as httpRequest, STATUS_CODES } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode } from '../errors.ts';
import { systemReason } from '../report/system-reason.ts';
import { withoutTrailingSlashes } from '../model/slashes.ts';

/**
 * Tells a dead man's switch that a run starts and how it ended: healthchecks.io's protocol
 * (https://healthchecks.io/docs/http_api/), which its self-hosted kin speak too. The path of the
 * address is the secret, so no text from here ever holds more of it than the host.
 */

export interface PingOptions {
  /** Of the check, http or https; what follows goes behind its path, a query stays. */
  readonly url: string;
  /** A UUID: pairs the start with the end when runs overlap. */
  readonly runId: string;
  /** Tries for each of the two, at least 1. */
  readonly attempts?: number;
  /** Milliseconds for one try. */
  readonly timeout?: number;
  /** Milliseconds before the second try, twice that before the third … */
  readonly pause?: number;
  /** Ends all waiting at once. */
  readonly hurry?: AbortSignal | undefined;
}

export interface Ping {
  /** In the background; never throws, and what fails is not told: the end matters. */
  start(): void;
  /**
   * Waits for the start at most one `timeout`, then reports. Never throws.
   * @param body the report; healthchecks keeps 100 kB, so it is cut there.
   * @returns a warning without anything secret, or undefined when it arrived.
   */
  finish(exitCode: number, body: string): Promise<string | undefined>;
}

interface Trouble {
  readonly reason: string;
  /** Another try would get the same answer. */
  readonly isFinal: boolean;
}

type Patience = Required<Pick<PingOptions, 'attempts' | 'timeout' | 'pause'>>;

const MAX_BODY = 100_000;

/** Never throws: an address that is none becomes the warning of `finish`. */
export function createPing(options: PingOptions): Ping {
  const { runId, attempts = 3, timeout = 5_000, pause = 1_000, hurry } = options;
  const patience: Patience = { attempts, timeout, pause };
  const url = parseAddress(options.url);
  const beginning = new AbortController();
  const ending = new AbortController();
  const giveUp = (): void => {
    beginning.abort();
    ending.abort();
  };
  if (hurry?.aborted === true) giveUp();
  hurry?.addEventListener('abort', giveUp, { once: true });
  let started: Promise<unknown> | undefined;
  return {
    start: () => {
      if (url === undefined || started !== undefined) return;
      const to = address(url, 'start', runId);
      started = deliver(to, Buffer.alloc(0), patience, beginning.signal);
    },
    finish: async (exitCode, body) => {
      if (url === undefined) return 'The ping was not sent: its address is no http or https URL';
      const limit = setTimeout(() => {
        beginning.abort();
      }, timeout);
      await started;
      clearTimeout(limit);
      const to = address(url, String(exitCode), runId);
      const reason = await deliver(to, cutBody(body), patience, ending.signal);
      hurry?.removeEventListener('abort', giveUp);
      return reason === undefined ? undefined : `The ping to ${url.host} failed: ${reason}`;
    },
  };
}

function parseAddress(text: string): URL | undefined {
  // Not `new URL`: its error carries the text.
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  return ['http:', 'https:'].includes(url.protocol) ? url : undefined;
}

function address(url: URL, action: string, runId: string): URL {
  const result = new URL(url);
  result.pathname = `${withoutTrailingSlashes(url.pathname).replace(/^\/$/, '')}/${action}`;
  result.searchParams.set('rid', runId);
  return result;
}

/** At most `MAX_BODY` bytes of UTF-8, no character halved. */
function cutBody(text: string): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length <= MAX_BODY) return bytes;
  let end = MAX_BODY;
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end);
}

/** Undefined when it arrived, else why not. */
async function deliver(
  to: URL,
  body: Buffer,
  { attempts, timeout, pause }: Patience,
  stop: AbortSignal,
): Promise<string | undefined> {
  let last = 'given up before it was tried';
  for (let tries = 1; !stop.aborted; tries += 1) {
    const trouble = await attempt(to, body, timeout, stop);
    if (trouble === undefined) return undefined;
    last = tries === 1 ? trouble.reason : `${trouble.reason} (${tries} tries)`;
    if (trouble.isFinal || tries >= attempts) break;
    await sleep(pause * 2 ** (tries - 1), undefined, { signal: stop }).catch(() => undefined);
  }
  return last;
}

/**
 * One POST over a connection of its own, which is gone when this resolves. Not `fetch`: a connection
 * that nobody answers keeps the process alive for 10 s after its abort, and it knows no passwords.
 * Redirects are not followed: a login page that answers 200 is no ping.
 */
async function attempt(
  to: URL,
  body: Buffer,
  timeout: number,
  stop: AbortSignal,
): Promise<Trouble | undefined> {
  const request = to.protocol === 'https:' ? httpsRequest : httpRequest;
  return await new Promise((resolve) => {
    let call: ReturnType<typeof request> | undefined;
    const end = (trouble: Trouble | undefined): void => {
      clearTimeout(timer);
      stop.removeEventListener('abort', giveUp);
      call?.destroy();
      resolve(trouble);
    };
    const giveUp = (): void => end({ reason: 'given up', isFinal: true });
    const timer = setTimeout(() => {
      end({ reason: `no answer within ${timeout / 1000} s`, isFinal: false });
    }, timeout);
    stop.addEventListener('abort', giveUp);
    try {
      const headers = {
        'content-type': 'text/plain; charset=utf-8',
        'content-length': body.length,
        'user-agent': 'media-cleanup',
      };
      call = request(to, { method: 'POST', agent: false, headers }, (response) => {
        // It is destroyed in the middle of its body, which tells nothing.
        response.on('error', () => undefined);
        end(judge(response.statusCode ?? 0));
      });
      call.on('error', (error) => end({ reason: reasonOf(error), isFinal: false }));
      call.end(body);
    } catch (error) {
      end({ reason: reasonOf(error), isFinal: true });
    }
  });
}

function judge(status: number): Trouble | undefined {
  if (status >= 200 && status < 300) return undefined;
  const isRedirect = status >= 300 && status < 400;
  // The server's own words could be anything, its number cannot.
  const answer = `it answered ${status} ${STATUS_CODES[status] ?? ''}`.trim();
  const reason = isRedirect ? `${answer}, use the address that it redirects to` : answer;
  return { reason, isFinal: status < 500 && status !== 408 && status !== 429 };
}

/** By the code alone: a message may quote the address. */
function reasonOf(error: unknown): string {
  const code = errorCode(error);
  return code === undefined ? 'it could not be sent' : systemReason(code);
}
