/** A password made of two rare words, and the search for traces of either in any disguise. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Eight characters each: no text of this world has them by chance. */
export const [FIRST, SECOND] = ['qzK7vXwR', 'mB3tLp9Y'] as const;

/** What of the two words is in the text: as it is in any case, in base64 or in hexadecimal. */
export function tracesIn(text: string): readonly string[] {
  const lower = text.toLowerCase();
  return [FIRST, SECOND].flatMap((word) => {
    const hex = Buffer.from(word).toString('hex');
    const found: string[] = [];
    if (lower.includes(word.toLowerCase())) found.push(`${word} in plain`);
    if (inBase64(word).some((part) => text.includes(part))) found.push(`${word} in base64`);
    // With spaces too, as Buffers are shown.
    if (lower.replace(/[ :-]/g, '').includes(hex)) found.push(`${word} in hexadecimal`);
    return found;
  });
}

/** The same in every file below a directory, with the file's name. */
export function tracesInFiles(
  directory: string,
  except: (path: string) => boolean,
): readonly string[] {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  return entries.flatMap((entry) => {
    const path = join(entry.parentPath, entry.name);
    if (except(path)) return [];
    const text = entry.isFile() ? readFileSync(path, 'latin1') : '';
    return tracesIn(`${entry.name}\n${text}`).map((trace) => `${path}: ${trace}`);
  });
}

/** What every base64 text has that a word is in: it begins at one of three places in a group. */
function inBase64(word: string): readonly string[] {
  return [0, 1, 2].map((before) => {
    const text = Buffer.from('-'.repeat(before) + word).toString('base64');
    const first = Math.ceil((before * 8) / 6);
    return text.slice(first, Math.floor(((before + word.length) * 8) / 6));
  });
}
