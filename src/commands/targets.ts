import type { Config, ServiceConfig } from '../config/types.ts';
import { nearestWord } from '../config/suggest.ts';
import { CannotStart } from '../errors.ts';

/**
 * The services that the words on the command line name, in the config's order.
 * @throws CannotStart('usage') with the known names.
 */
export function chooseServices(config: Config, words: readonly string[]): readonly ServiceConfig[] {
  const known = config.services.map((service) => service.name);
  const names = `known: ${[...known, 'all'].join(', ')}`;
  const problems = words.flatMap((word, index) => {
    if (words.indexOf(word) !== index) return [{ path: word, message: `named twice; ${names}` }];
    if (word === 'all' || known.includes(word)) return [];
    const near = nearestWord(word, [...known, 'all']);
    const suggestion = near === undefined ? '' : `did you mean ${near}? `;
    return [{ path: word, message: `unknown service; ${suggestion}${names}` }];
  });
  if (words.includes('all') && words.length > 1 && problems.length === 0) {
    problems.push({ path: 'all', message: `already means every service; name it alone; ${names}` });
  }
  const [first] = problems;
  if (first !== undefined) {
    const message = problems.map(({ path, message: what }) => `${path}: ${what}`).join('\n');
    throw new CannotStart('usage', message, problems);
  }
  if (words.includes('all')) return config.services;
  return config.services.filter((service) => words.includes(service.name));
}

/** What the operator types at the question: the words as given. */
export function confirmationWord(words: readonly string[]): string {
  return words.join(' ');
}
