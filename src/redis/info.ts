/** The fields of an INFO reply (`name:value` lines) by their names. */
export function infoFields(reply: string): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(
    reply
      .split('\r\n')
      .filter((line) => line.includes(':') && !line.startsWith('#'))
      .map((line) => {
        const at = line.indexOf(':');
        return [line.slice(0, at), line.slice(at + 1)];
      }),
  );
}
