import leven from 'leven';

/**
 * The known word that `word` was most likely meant to be, ignoring case, `-` and `_`; undefined
 * when none is near. A word that is part of exactly one known word counts as near.
 */
export function nearestWord(word: string, known: readonly string[]): string | undefined {
  const wanted = plain(word);
  let best: { readonly word: string; readonly distance: number } | undefined;
  for (const candidate of known) {
    const other = plain(candidate);
    const distance = leven(wanted, other);
    const limit = Math.min(3, Math.max(wanted.length, other.length) / 2 - 0.5);
    if (distance <= limit && (best === undefined || distance < best.distance)) {
      best = { word: candidate, distance };
    }
  }
  if (best !== undefined) return best.word;
  if (wanted.length < 4) return undefined;
  const containing = known.filter((candidate) => plain(candidate).includes(wanted));
  return containing.length === 1 ? containing[0] : undefined;
}

function plain(word: string): string {
  return word.toLowerCase().replaceAll(/[-_]/g, '');
}
