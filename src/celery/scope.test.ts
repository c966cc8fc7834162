import { describe, expect, test } from 'vitest';
import { ownership, scopeOf } from './scope.ts';
import type { QueueScope } from './scope.ts';

describe('the owner of a message', () => {
  // A run over one (a1, a2), two (b) and no others, seen from each of them.
  const run = new Set(['a1', 'a2', 'b']);
  const one: QueueScope = {
    own: ['a1', 'a2'],
    before: new Set(),
    run,
    others: new Set(['b', 'c']),
  };
  const two: QueueScope = { ...one, own: ['b'], before: new Set(['a1', 'a2']) };

  test.each([
    [['a1'], 'own', 'foreign'],
    [['a1', 'a2'], 'own', 'foreign'],
    [['b'], 'foreign', 'own'],
    // Removed and counted once, with the first.
    [['a2', 'b'], 'own', 'foreign'],
    [['a1', 'c'], 'shared', 'foreign'],
    [['b', 'c'], 'foreign', 'shared'],
    [['a1', 'b', 'c'], 'shared', 'shared'],
    [['c'], 'foreign', 'foreign'],
    [[], 'foreign', 'foreign'],
  ] as const)('that goes to %j', (goesTo, ofOne, ofTwo) => {
    expect([ownership(goesTo, one), ownership(goesTo, two)]).toEqual([ofOne, ofTwo]);
  });

  test('without other targets', () => {
    expect(ownership(['a1', 'b'], scopeOf(['a1']))).toBe('shared');
  });
});
