import type { RedisConnection } from './connect.ts';
import { isRefused, RedisError, refusesCommand } from './errors.ts';
import type { Argument, CommandName } from './replies.ts';

/** A command that a wipe sends, in a form that changes nothing. */
export interface Need {
  readonly command: CommandName;
  readonly args: readonly Argument[];
  /** The keys that it is wanted for, as an ACL pattern; undefined: it has none. */
  readonly pattern: string | undefined;
  /** What is done where the command itself is refused; rejects where that is refused as well. */
  readonly instead?: (redis: RedisConnection) => Promise<unknown>;
}

/** A command that this user may not send, or the server does not have. */
export interface MissingNeed extends Need {
  readonly refusal: RedisError;
}

/** A key of another type, EXEC without MULTI, a full server: the user may send it. */
const ANSWERS = new Set(['WRONGTYPE', 'ERR', 'OOM']);

/**
 * Which of these commands are refused: each is tried (`ACL DRYRUN` is for administrators).
 * @throws RedisError for anything but a refusal of the command or its key: READONLY, an outage …
 */
export async function missingPermissions(
  redis: RedisConnection,
  needs: readonly Need[],
): Promise<readonly MissingNeed[]> {
  const missing = await Promise.all(
    needs.map(async (need): Promise<MissingNeed | undefined> => {
      const refusal = await refusalOf(redis.send(need.command, ...need.args));
      if (refusal === undefined) return undefined;
      if (need.instead !== undefined && refusesCommand(refusal)) {
        if ((await refusalOf(need.instead(redis))) === undefined) return undefined;
      }
      return { ...need, refusal };
    }),
  );
  return missing.filter((need) => need !== undefined);
}

async function refusalOf(reply: Promise<unknown>): Promise<RedisError | undefined> {
  try {
    await reply;
  } catch (error) {
    if (isRefused(error)) return error;
    if (!(error instanceof RedisError) || !ANSWERS.has(error.code)) throw error;
  }
  return undefined;
}

/** `UNLINK on video_job:*, SCAN` */
export function needsText(needs: readonly Need[]): string {
  const byCommand = new Map<string, string[]>();
  for (const { command, pattern } of needs) {
    const patterns = byCommand.get(command) ?? [];
    byCommand.set(command, pattern === undefined ? patterns : [...patterns, pattern]);
  }
  return [...byCommand]
    .map(([command, patterns]) =>
      patterns.length === 0 ? command : `${command} on ${[...new Set(patterns)].join(' and ')}`,
    )
    .join(', ');
}

/** What an administrator runs to give them. */
export function grantText(
  user: string,
  commands: readonly string[],
  patterns: readonly string[],
): string {
  const rules = [
    ...commands.map((command) => `+${command.toLowerCase()}`),
    ...patterns.map((pattern) => `~${pattern}`),
  ];
  return `ACL SETUSER ${user} ${[...new Set(rules)].join(' ')}`;
}
