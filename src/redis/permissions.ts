import type { RedisConnection } from './connect.ts';
import { RedisError } from './errors.ts';
import type { Argument, CommandName } from './replies.ts';

/** A command that a wipe sends, in a form that changes nothing. */
export interface Need {
  readonly command: CommandName;
  readonly args: readonly Argument[];
  /** The keys that it is wanted for, as an ACL pattern; undefined: it has none. */
  readonly pattern: string | undefined;
}

/**
 * Which of these commands this user may not send: each is tried (`ACL DRYRUN` is for administrators).
 * @throws RedisError for anything but a refusal of the user: READONLY, an outage …
 */
export async function missingPermissions(
  redis: RedisConnection,
  needs: readonly Need[],
): Promise<readonly Need[]> {
  const missing = await Promise.all(
    needs.map(async (need) => {
      try {
        await redis.send(need.command, ...need.args);
      } catch (error) {
        if (!(error instanceof RedisError)) throw error;
        if (error.code === 'NOPERM') return need;
        // A key of another type, EXEC without MULTI: the user may do it.
        if (error.code !== 'WRONGTYPE' && error.code !== 'ERR') throw error;
      }
      return undefined;
    }),
  );
  return missing.filter((need) => need !== undefined);
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
