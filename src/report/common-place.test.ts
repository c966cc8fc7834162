import { expect, test } from 'vitest';
import { commonPlace, isIn, shortest } from './common-place.ts';

test.each([
  [['/srv/a/up'], '/srv/a/up'],
  [['/srv/a/up', '/srv/a/down'], '/srv/a'],
  [['/srv/a', '/srv/a/down'], '/srv/a'],
  [['/srv/ab', '/srv/a'], '/srv'],
  [['/srv', '/mnt'], '/'],
  [[], '/'],
])('the common place of %j is %s', (paths, place) => {
  expect(commonPlace(paths)).toBe(place);
});

test.each([
  ['/srv/a', '/srv/a', true],
  ['/srv/a/b', '/srv/a', true],
  ['/srv/ab', '/srv/a', false],
  ['/srv', '/srv/a', false],
  ['/srv', '/', true],
])('%s in %s: %s', (path, directory, expected) => {
  expect(isIn(path, directory)).toBe(expected);
});

test.each([
  ['/srv/services/a', '/srv', 'services/a'],
  ['/srv/services/a', '/srv/config', '../services/a'],
  ['/mnt/a', '/srv/stacks/media/config', '/mnt/a'],
  ['/srv', '/srv', '/srv'],
])('%s seen from %s is %s', (path, directory, text) => {
  expect(shortest(path, directory)).toBe(text);
});
