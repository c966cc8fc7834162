import { expect, test } from 'vitest';
import { createLinkLedger } from './link-ledger.ts';

test('the last name of a file is told, whatever was seen of its links before', () => {
  const ledger = createLinkLedger();
  // Two processes saw three links at the same moment.
  expect([3, 3, 2].map((links) => ledger.removed(1, 7, links))).toEqual([false, false, true]);
  expect(ledger.removed(1, 7, 2)).toBe(false);
  expect(ledger.removed(1, 7, 2)).toBe(true);
});

test('one number on two devices is two files', () => {
  const ledger = createLinkLedger();
  expect([1, 2, 1, 2].map((device) => ledger.removed(device, 7, 2))).toEqual([
    false,
    false,
    true,
    true,
  ]);
});

test('a number that another file has by then is counted anew', () => {
  const ledger = createLinkLedger();
  // The second name went when nobody else had the file any more, so nobody asked.
  expect(ledger.removed(1, 7, 2)).toBe(false);
  ledger.forget();
  expect(ledger.removed(1, 7, 2)).toBe(false);
});
