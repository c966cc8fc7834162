/** `cleanup_total_20251027_143022`: the local time of the start, as in the log lines. */
export function cleanupId(start: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${start.getFullYear()}${two(start.getMonth() + 1)}${two(start.getDate())}`;
  const time = `${two(start.getHours())}${two(start.getMinutes())}${two(start.getSeconds())}`;
  return `cleanup_total_${day}_${time}`;
}

export function isCleanupId(text: string): boolean {
  return /^cleanup_total_\d{8}_\d{6}$/.test(text);
}
