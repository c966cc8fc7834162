import { globTest } from '../model/glob.ts';
import { withoutTrailingSlashes } from '../model/slashes.ts';

/**
 * Whether a path below a directory stays: the marker at its top, or a `keep` pattern. A pattern
 * without a slash is a name at any depth, as in .gitignore; one with a slash is relative to the
 * directory. What lies in a kept directory stays with it. Undefined when nothing is kept.
 * @throws SyntaxError for a pattern that cannot be read.
 */
export function keepMatcher(
  marker: string | undefined,
  keep: readonly string[],
): ((path: () => Buffer) => boolean) | undefined {
  if (marker === undefined && keep.length === 0) return undefined;
  // `logs/` means the directory, as in .gitignore; as a pattern it would match nothing at all.
  const patterns = keep.map(withoutTrailingSlashes);
  const literal = new Set(patterns);
  const anywhere = patterns.filter((pattern) => !pattern.includes('/'));
  const below = patterns.filter((pattern) => pattern.includes('/'));
  const ofName = anywhere.map(globTest);
  const ofPath = below.map((pattern) => globTest(pattern.replace(/^\.?\//, '')));
  return (path) => {
    const whole = path().toString();
    if (whole === marker) return true;
    // For a pattern, as for a shell, a line end in a name is a character like any other.
    const text = whole.replace(/[\n\r\u2028\u2029]/g, '_');
    const name = text.slice(text.lastIndexOf('/') + 1);
    // `take [1].mp3` is a name and as a pattern a set; who wrote it means the file.
    if (literal.has(name) || literal.has(text)) return true;
    return ofName.some((matches) => matches(name)) || ofPath.some((matches) => matches(text));
  };
}
