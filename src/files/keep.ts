import picomatch from 'picomatch';

/**
 * Whether a path below a directory stays: the marker at its top, or a `keep` pattern. A pattern
 * without a slash is a name at any depth, as in .gitignore; one with a slash is relative to the
 * directory. What lies in a kept directory stays with it. Undefined when nothing is kept.
 */
export function keepMatcher(
  marker: string | undefined,
  keep: readonly string[],
): ((path: () => Buffer) => boolean) | undefined {
  if (marker === undefined && keep.length === 0) return undefined;
  // `logs/` means the directory, as in .gitignore; for picomatch it would match nothing at all.
  const patterns = keep.map((pattern) => pattern.replace(/(?<=.)\/+$/, ''));
  const anywhere = patterns.filter((pattern) => !pattern.includes('/'));
  const below = patterns.filter((pattern) => pattern.includes('/'));
  const matchesName = picomatch(anywhere, { dot: true });
  const matchesPath = picomatch(
    below.map((pattern) => pattern.replace(/^\.?\//, '')),
    { dot: true },
  );
  return (path) => {
    const text = path().toString();
    if (text === marker) return true;
    const name = text.slice(text.lastIndexOf('/') + 1);
    return (anywhere.length > 0 && matchesName(name)) || (below.length > 0 && matchesPath(text));
  };
}
