import { expect, test } from 'vitest';
import { parseArguments } from '../cli.ts';
import { firstLine } from './first-line.ts';

function lineFor(argv: string[], isTTY: boolean, term = 'xterm'): string | undefined {
  const parsed = parseArguments(argv, '1.2.3');
  if (parsed.is !== 'request') throw new Error('no request');
  return firstLine(parsed.request, isTTY, term);
}

test('something is said at once on a terminal', () => {
  expect(lineFor(['all'], true)).toBe('media-cleanup: getting ready\n');
  expect(lineFor(['all', '--dry-run'], true)).toBe('media-cleanup: looking\n');
});

test.each([
  [['all'], false, 'xterm'],
  [['all'], true, 'dumb'],
  [['all', '--quiet'], true, 'xterm'],
  [['all', '--verbose'], true, 'xterm'],
  [['stats', 'all'], true, 'xterm'],
])('nothing where there is no spinner: %j, terminal %s, %s', (argv, isTTY, term) => {
  expect(lineFor(argv, isTTY, term)).toBeUndefined();
});
