import { describe, expect, test } from 'vitest';
import type { Progress } from '../report/observer.ts';
import { createMeter } from './meter.ts';
import type { Meter, Reading } from './meter.ts';

const MB = 2 ** 20;

function told(step: string, done: number, bytes = 0, service = 'one'): Progress {
  return { service, step, done, bytes };
}

function reading(meter: Meter, now: number): Reading {
  const read = meter.read(now);
  if (read === undefined) throw new Error('nothing was told');
  return read;
}

/** Tells of equal steps, ten a second; returns the time of the last one. */
function tell(meter: Meter, step: string, from: number, to: number, start: number): number {
  for (let done = from; done <= to; done += 1) {
    meter.progress(told(step, done * 10, done * 10 * MB), start + (done - from) * 100);
  }
  return start + (to - from) * 100;
}

test('says nothing before something was told', () => {
  expect(createMeter().read(0)).toBeUndefined();
});

test('the kind of step, and where it is at work', () => {
  const meter = createMeter();
  meter.progress(told('files in Up in loads', 3), 100);
  expect(reading(meter, 1100)).toMatchObject({
    kind: 'files',
    where: ' in Up in loads',
    done: 3,
    milliseconds: 1000,
    fraction: undefined,
    expected: undefined,
    secondsLeft: undefined,
  });
  meter.progress(told('wait for worker@in', 1), 1200);
  expect(reading(meter, 1200)).toMatchObject({ kind: 'wait', where: ' for worker@in' });
});

test('steps of several services at a time keep their own clocks', () => {
  const meter = createMeter();
  meter.progress(told('inspect', 1, 0, 'one'), 0);
  meter.progress(told('inspect', 1, 0, 'two'), 3000);
  meter.progress(told('inspect', 2, 0, 'one'), 4000);
  expect(reading(meter, 4000).milliseconds).toBe(4000);
});

describe('rates', () => {
  test('of the last five seconds, and none in the first one', () => {
    const meter = createMeter();
    meter.progress(told('files in A', 500, MB), 0);
    expect(reading(meter, 900).itemsPerSecond).toBeUndefined();
    const end = tell(meter, 'files in A', 51, 350, 100);
    expect(reading(meter, end).itemsPerSecond).toBeCloseTo(100, -1);
    expect((reading(meter, end).bytesPerSecond ?? 0) / MB).toBeCloseTo(100, -1);
    // A standstill is felt while nothing is told.
    expect(reading(meter, end + 45_000).itemsPerSecond).toBeLessThan(15);
  });

  test('go on from directory to directory, and begin anew with the next kind of step', () => {
    const meter = createMeter();
    const end = tell(meter, 'files in A', 1, 30, 0);
    meter.logged({ level: 'INFO', service: 'one', step: 'files', message: '', figures: { a: 1 } });
    tell(meter, 'files in B', 1, 30, end);
    expect(reading(meter, end + 2900).itemsPerSecond).toBeCloseTo(100, -1);
    meter.progress(told('models in C', 1), end + 3000);
    expect(reading(meter, end + 3000).itemsPerSecond).toBeUndefined();
  });

  test('only of what removes something', () => {
    const meter = createMeter();
    tell(meter, 'verify', 1, 30, 0);
    expect(reading(meter, 3000).itemsPerSecond).toBeUndefined();
  });
});

describe('the part of the whole wipe', () => {
  const expected = [
    { service: 'one', step: 'queue', count: 10, bytes: 0 },
    { service: 'one', step: 'files', count: 100, bytes: 0 },
    { service: 'two', step: 'queue', count: 10, bytes: 0 },
    { service: 'two', step: 'files', count: 80, bytes: 0 },
  ];
  const percent = (meter: Meter): number => Math.floor((reading(meter, 0).fraction ?? 0) * 100);

  test('is unknown while nothing was counted, or nothing was there', () => {
    const meter = createMeter();
    meter.expect([]);
    meter.progress(told('files in A', 1), 0);
    expect(reading(meter, 0).fraction).toBeUndefined();
  });

  test('grows over all services and kinds, never goes back, and never reaches the end', () => {
    const meter = createMeter();
    meter.expect(expected);
    // Queues are emptied in any order, while the workers are held.
    meter.progress(told('queue', 10, 0, 'two'), 0);
    expect(percent(meter)).toBe(5);
    meter.progress(told('queue', 5), 0);
    expect(percent(meter)).toBe(7);
    // What is over must be complete, whatever was counted.
    meter.logged({ level: 'INFO', service: 'one', step: 'queue', message: '', figures: { a: 1 } });
    meter.progress(told('files in A', 20), 0);
    expect(percent(meter)).toBe(20);
    meter.progress(told('files in B', 20), 0);
    expect(percent(meter)).toBe(30);
    meter.logged({ level: 'INFO', service: 'one', step: 'files', message: '', figures: { a: 1 } });
    // Another pass over the same directory.
    meter.progress(told('files in B', 30), 0);
    expect(percent(meter)).toBe(45);
    expect(reading(meter, 0).expected).toEqual({ count: 100, done: 70, bytes: 0 });
    // More than was expected is no more than all of it.
    meter.progress(told('files in A', 900), 0);
    expect(percent(meter)).toBe(60);
    meter.progress(told('files in A', 40, 0, 'two'), 0);
    expect(percent(meter)).toBe(80);
    meter.progress(told('files in A', 1, 0, 'one'), 0);
    expect(percent(meter)).toBe(80);
    meter.progress(told('files in A', 80, 0, 'two'), 0);
    expect(percent(meter)).toBe(99);
  });

  test('jobs do not close the files of their service, and a proof closes no other service', () => {
    const meter = createMeter();
    meter.expect(
      ['one', 'two'].flatMap((service) =>
        ['files', 'jobs'].map((step) => ({ service, step, count: 25, bytes: 0 })),
      ),
    );
    meter.progress(told('files in A', 5), 0);
    meter.progress(told('jobs', 5), 0);
    expect(percent(meter)).toBe(10);
    meter.progress(told('verify', 1), 0);
    expect(percent(meter)).toBe(50);
  });

  test('a step that goes on stays in the line beside another one', () => {
    const meter = createMeter();
    for (let now = 0; now <= 3000; now += 100) {
      meter.progress(told('jobs', now), now);
      meter.progress(told('files in A', now), now);
      expect(reading(meter, now).kind).toBe('jobs');
    }
    meter.progress(told('files in A', 3001), 6000);
    expect(reading(meter, 6000).kind).toBe('files');
  });

  test('a large file weighs more than a small one', () => {
    const meter = createMeter();
    meter.expect([{ service: 'one', step: 'models', count: 2, bytes: 8192 * MB }]);
    meter.progress(told('models in M', 1, 64 * MB), 0);
    expect(percent(meter)).toBeLessThan(2);
    meter.progress(told('models in M', 2, 8192 * MB), 0);
    expect(percent(meter)).toBe(99);
  });

  test('many small files weigh more than their bytes', () => {
    const meter = createMeter();
    meter.expect([{ service: 'one', step: 'files', count: 1_000_001, bytes: 10_240 * MB }]);
    meter.progress(told('files in A', 1, 10_000 * MB), 0);
    expect(percent(meter)).toBeLessThan(2);
  });

  test('stays what it is between two steps', () => {
    const meter = createMeter();
    meter.expect(expected);
    expect(meter.fraction()).toBeUndefined();
    meter.progress(told('jobs', 1), 0);
    meter.progress(told('files in A', 90), 0);
    meter.logged({ level: 'INFO', service: 'one', step: 'files', message: '', figures: { a: 1 } });
    expect(meter.read(0)).toBeUndefined();
    expect(meter.fraction()).toBe(0.45);
  });

  test('is not told while workers are waited for, and all of it when it is verified', () => {
    const meter = createMeter();
    meter.expect(expected);
    meter.progress(told('wait for worker@host', 1), 0);
    expect(reading(meter, 0).fraction).toBeUndefined();
    meter.progress(told('verify', 0), 0);
    meter.progress(told('verify', 0, 0, 'two'), 0);
    expect(percent(meter)).toBe(99);
  });
});

describe('the remaining time', () => {
  function wiping(): Meter {
    const meter = createMeter();
    meter.expect([{ service: 'one', step: 'files', count: 1000, bytes: 1000 * MB }]);
    return meter;
  }

  test('is told after three seconds of a steady pace', () => {
    const meter = wiping();
    tell(meter, 'files in A', 0, 29, 0);
    expect(reading(meter, 2900).secondsLeft).toBeUndefined();
    tell(meter, 'files in A', 29, 40, 2900);
    expect(reading(meter, 4000).secondsLeft).toBeCloseTo(6, 0);
  });

  test('is not told while the pace changes much', () => {
    const meter = wiping();
    const end = tell(meter, 'files in A', 0, 60, 0);
    expect(reading(meter, end).secondsLeft).toBeDefined();
    for (let now = end; now < end + 20_000; now += 200) {
      meter.progress(told('files in A', 600, 600 * MB), now);
    }
    expect(reading(meter, end + 20_000).secondsLeft).toBeUndefined();
  });
});

describe('a logged line', () => {
  test('ends what is shown; an error within a step does not', () => {
    const meter = createMeter();
    meter.progress(told('files in A', 1), 0);
    meter.logged({ level: 'ERROR', service: 'one', step: 'A', message: 'a failure' });
    meter.logged({ level: 'WARNING', service: 'one', step: 'warning', message: 'a mount' });
    meter.logged({ level: 'DEBUG', step: 'jobs', message: 'SCAN' });
    expect(meter.read(0)).toBeDefined();
    meter.logged({ level: 'INFO', service: 'one', step: 'files', message: '', figures: { a: 0 } });
    expect(meter.read(0)).toBeUndefined();
  });
});
