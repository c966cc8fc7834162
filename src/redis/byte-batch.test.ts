import { expect, test } from 'vitest';
import { createByteBatch, LARGEST_REPLY } from './byte-batch.ts';

const MB = 2 ** 20;

test('one value comes first, and more when they are small', () => {
  const batch = createByteBatch(500);
  const sizes = Array.from({ length: 6 }, () => {
    const size = batch.size();
    batch.note(size, size * 300);
    return size;
  });
  expect(sizes).toEqual([1, 4, 16, 64, 256, 500]);
});

test('large values are read one by one', () => {
  const batch = createByteBatch(500);
  batch.note(1, 5 * MB);
  expect(batch.size()).toBe(1);
});

test('small values do not hide large ones behind them, when the sum is known', () => {
  const batch = createByteBatch(500);
  const values = [
    ...Array.from({ length: 2000 }, () => 300),
    ...Array.from({ length: 100 }, () => 5 * MB),
  ];
  const sum = values.reduce((total, one) => total + one, 0);
  batch.expect(values.length, sum + 60 * values.length);
  let largest = 0;
  let commands = 0;
  for (let at = 0; at < values.length; commands += 1) {
    const reply = values.slice(at, at + batch.size());
    const bytes = reply.reduce((total, one) => total + one, 0);
    largest = Math.max(largest, bytes);
    batch.note(reply.length, bytes);
    at += reply.length;
  }
  expect(largest).toBeLessThanOrEqual(16 * MB);
  expect(commands).toBeLessThan(1500);
});

test('a million small values are not read one by one to their end', () => {
  const batch = createByteBatch(500);
  const count = 1_000_000;
  batch.expect(count, count * (300 + 60));
  let commands = 0;
  for (let left = count; left > 0; commands += 1) {
    const size = Math.min(left, batch.size());
    batch.note(size, size * 300);
    left -= size;
  }
  expect(commands).toBeLessThan(2 * (count / 500));
  expect(batch.size() * 300).toBeLessThan(LARGEST_REPLY);
});
