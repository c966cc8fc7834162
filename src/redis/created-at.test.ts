import { describe, expect, test } from 'vitest';
import { createdAt } from './created-at.ts';

const read = (date: unknown, zone = 'UTC') =>
  createdAt(Buffer.from(JSON.stringify({ job_id: 'a', created_at: date })), zone);

/** The instant as ISO 8601 in UTC, or what is wrong. */
function instantOf(date: unknown, zone?: string): string {
  const created = read(date, zone);
  return created.is === 'known' ? new Date(created.time).toISOString() : created.is;
}

const naive = (time: string) => ({ is: 'known', time: Date.parse(time), naive: true });
const aware = (time: string) => ({ ...naive(time), naive: false });

describe('texts', () => {
  test.each([
    ['2025-10-27T14:30:22.104123', naive('2025-10-27T14:30:22.104Z')],
    ['2025-10-27 14:30:22.104123', naive('2025-10-27T14:30:22.104Z')],
    ['2025-10-27T14:30:22.104999', naive('2025-10-27T14:30:22.104Z')],
    ['2025-10-27T14:30:22.069', naive('2025-10-27T14:30:22.069Z')],
    ['2025-10-27T14:30:22,5', naive('2025-10-27T14:30:22.500Z')],
    ['2025-10-27T14:30:22.123456789', naive('2025-10-27T14:30:22.123Z')],
    ['2025-10-27T14:30:22', naive('2025-10-27T14:30:22.000Z')],
    ['2025-10-27T14:30', naive('2025-10-27T14:30:00.000Z')],
    ['2025-10-27T14', naive('2025-10-27T14:00:00.000Z')],
    ['2024-02-29T00:00:00', naive('2024-02-29T00:00:00.000Z')],
    ['2025-10-27T14:30:22.104123Z', aware('2025-10-27T14:30:22.104Z')],
    ['2025-10-27T14:30:22Z', aware('2025-10-27T14:30:22.000Z')],
    ['2025-10-27T14:30:22.104123+00:00', aware('2025-10-27T14:30:22.104Z')],
    ['2025-10-27T14:30:22+02:00', aware('2025-10-27T12:30:22.000Z')],
    ['2025-10-27T14:30:22.104123+0200', aware('2025-10-27T12:30:22.104Z')],
    ['2025-10-27T14:30:22-03', aware('2025-10-27T17:30:22.000Z')],
    ['2025-10-27 14:30:22 -0330', aware('2025-10-27T18:00:22.000Z')],
    ['2025-10-27T14:30:22+05:45', aware('2025-10-27T08:45:22.000Z')],
  ])('%s', (date, expected) => expect(read(date)).toEqual(expected));

  test('a zone in the text counts, whatever the zone of the service is', () => {
    expect(instantOf('2025-10-27T14:30:22+02:00', 'Asia/Tokyo')).toBe('2025-10-27T12:30:22.000Z');
  });

  test('a date alone is the end of its day, in the zone', () => {
    expect(read('2025-10-27')).toEqual(naive('2025-10-27T23:59:59.999Z'));
    expect(instantOf('2025-10-26', 'Europe/Berlin')).toBe('2025-10-26T22:59:59.999Z');
  });

  test('the future is known', () => {
    expect(read('2099-01-01T00:00:00Z')).toEqual(aware('2099-01-01T00:00:00.000Z'));
    expect(instantOf('9999-12-31T23:59:59.999999', 'America/New_York')).toMatch(/^\+010000/);
  });
});

describe('numbers', () => {
  test.each([
    [1_761_575_422, '2025-10-27T14:30:22.000Z'],
    [1_761_575_422.104_123, '2025-10-27T14:30:22.104Z'],
    [1_761_575_422_104, '2025-10-27T14:30:22.104Z'],
    [1_761_575_422_104.9, '2025-10-27T14:30:22.104Z'],
  ])('%d', (date, expected) => {
    expect(read(date, 'Asia/Tokyo')).toEqual(aware(expected));
  });
});

describe('missing and broken', () => {
  test.each(['{}', '{ "created_at": null }', '{ "job": { "created_at": 1761575422 } }'])(
    'missing: %s',
    (json) => expect(createdAt(Buffer.from(json), 'UTC')).toEqual({ is: 'missing' }),
  );

  test.each([
    ...['', 'done', '{', '[]', '[{ "created_at": 1761575422 }]', 'null', '1761575422'],
    ...['"2025-10-27T14:30:22"', '{ "created_at": NaN }', '{ "created_at": 1e999 }'],
    ...['\uFEFF{}', '{} {}', '\0', '['.repeat(100_000)],
  ])('no job: %.30s', (json) => {
    expect(createdAt(Buffer.from(json), 'UTC')).toEqual({ is: 'broken' });
  });

  test('bytes that are no text', () => {
    expect(createdAt(Buffer.from([0x80, 0x04, 0x95, 0xff, 0x00]), 'UTC')).toEqual({ is: 'broken' });
  });

  test.each([
    ...['', ' ', 'yesterday', 'None', '1761575422', '27.10.2025', '2025-10-27T', '2025-10-27T14:'],
    ...['2025-13-01', '2025-00-01', '2025-01-00', '2025-02-29', '2025-04-31T10:00:00'],
    ...[
      '2025-10-27T24:00:00',
      '2025-10-27T14:60:00',
      '2025-10-27T14:30:60',
      '2025-10-27T14:30:22.',
    ],
    ...['2025-10-27T14:30:22+24:00', '2025-10-27T14:30:22+02:60', '2025-10-27T14:30:22 CET'],
    ...['2025-10-27T14:30:22\n', ' 2025-10-27T14:30:22', '2025-10-27T14:30:22Z[Europe/Berlin]'],
    ...['0000-01-01T00:00:00', '0001-01-01T00:00:00', '-2025-10-27', '+012025-10-27T14:30:22'],
    ...['20251-10-27T14:30:22', '٢٠٢٥-10-27', '2025-10-27T14:30:22'.repeat(10_000)],
    ...[true, false, [], {}, ['2025-10-27T14:30:22'], -1, -1_761_575_422],
  ])('no date: %j', (date) => expect(read(date)).toEqual({ is: 'broken' }));

  test.each([
    ...[0, 1, 86_400, 946_684_799, '1970-01-01T00:00:00', '1999-12-31T23:59:59Z'],
    ...[1e300, 1_761_575_422_104_123, 253_402_387_200_000],
  ])('no time in which a job can have been created: %j', (date) => {
    expect(read(date)).toEqual({ is: 'broken' });
  });

  test.each(['', 'Nowhere/At_All', 'constructor'])('a zone that is none: "%s"', (zone) => {
    expect(read('2025-10-27T14:30:22', zone)).toEqual({ is: 'broken' });
    expect(instantOf('2025-10-27T14:30:22Z', zone)).toBe('2025-10-27T14:30:22.000Z');
  });
});

describe('the zone of the service', () => {
  test.each([
    ['Europe/Berlin', '2025-07-01T12:00:00', '2025-07-01T10:00:00.000Z'],
    ['Europe/Berlin', '2025-12-01T12:00:00', '2025-12-01T11:00:00.000Z'],
    ['America/New_York', '2025-07-01T12:00:00', '2025-07-01T16:00:00.000Z'],
    ['Asia/Kathmandu', '2025-07-01T12:00:00', '2025-07-01T06:15:00.000Z'],
    ['Pacific/Kiritimati', '2025-07-01T00:00:00', '2025-06-30T10:00:00.000Z'],
    ['UTC', '2025-07-01T12:00:00', '2025-07-01T12:00:00.000Z'],
  ])('%s %s', (zone, date, expected) => expect(instantOf(date, zone)).toBe(expected));

  // 26 October 2025: 03:00 CEST becomes 02:00 CET at 01:00 UTC.
  test.each([
    ['01:59:59.999', '2025-10-25T23:59:59.999Z'],
    ['02:00:00', '2025-10-26T01:00:00.000Z'],
    ['02:59:59.999', '2025-10-26T01:59:59.999Z'],
    ['03:00:00', '2025-10-26T02:00:00.000Z'],
  ])('the hour that comes twice in Berlin: %s', (time, expected) => {
    expect(instantOf(`2025-10-26T${time}`, 'Europe/Berlin')).toBe(expected);
  });

  // 30 March 2025: 02:00 CET becomes 03:00 CEST at 01:00 UTC.
  test.each([
    ['01:59:59.999', '2025-03-30T00:59:59.999Z'],
    ['02:00:00', '2025-03-30T01:00:00.000Z'],
    ['02:59:59.999', '2025-03-30T01:59:59.999Z'],
    ['03:00:00', '2025-03-30T01:00:00.000Z'],
  ])('the hour that Berlin leaves out: %s', (time, expected) => {
    expect(instantOf(`2025-03-30T${time}`, 'Europe/Berlin')).toBe(expected);
  });

  // 2 November 2025: 02:00 EDT becomes 01:00 EST at 06:00 UTC.
  test.each([
    ['00:59:59.999', '2025-11-02T04:59:59.999Z'],
    ['01:00:00', '2025-11-02T06:00:00.000Z'],
    ['01:59:59.999', '2025-11-02T06:59:59.999Z'],
    ['02:00:00', '2025-11-02T07:00:00.000Z'],
  ])('the hour that comes twice in New York: %s', (time, expected) => {
    expect(instantOf(`2025-11-02T${time}`, 'America/New_York')).toBe(expected);
  });

  // 9 March 2025: 02:00 EST becomes 03:00 EDT at 07:00 UTC.
  test.each([
    ['01:59:59.999', '2025-03-09T06:59:59.999Z'],
    ['02:30:00', '2025-03-09T07:30:00.000Z'],
    ['03:00:00', '2025-03-09T07:00:00.000Z'],
  ])('the hour that New York leaves out: %s', (time, expected) => {
    expect(instantOf(`2025-03-09T${time}`, 'America/New_York')).toBe(expected);
  });

  test('half an hour twice, a change at a minute past midnight, a day that never was', () => {
    expect(instantOf('2025-04-06T01:45:00', 'Australia/Lord_Howe')).toBe(
      '2025-04-05T15:15:00.000Z',
    );
    expect(instantOf('2010-11-06T23:30:00', 'America/St_Johns')).toBe('2010-11-07T03:00:00.000Z');
    expect(instantOf('2011-12-30T12:00:00', 'Pacific/Apia')).toBe('2011-12-30T22:00:00.000Z');
  });
});

/** What a clock in `zone` shows, as Python writes a naive time; by Intl, which says it straight. */
function clock(zone: string): (time: number) => string {
  const format = new Intl.DateTimeFormat('sv-SE', {
    timeZone: zone,
    dateStyle: 'short',
    timeStyle: 'medium',
  });
  return (time) =>
    `${format.format(time).replace(' ', 'T')}.${String(time % 1000).padStart(3, '0')}456`;
}

/** Numbers from 0 to 1, the same in every run. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('read back', () => {
  const zones = [
    ...['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kathmandu', 'Australia/Lord_Howe'],
    ...['America/St_Johns', 'Africa/Casablanca', 'Pacific/Apia', 'Pacific/Chatham', 'Asia/Gaza'],
  ];
  const from = Date.UTC(2001, 0, 1);
  const until = Date.UTC(2035, 0, 1);
  const hour = 3_600_000;

  /** Clocks go back by half an hour to a day, so the same time comes again within a day or never. */
  function lastWithSameClock(time: number, show: (time: number) => string): number {
    const shown = show(time);
    const again = [0.5, 1, 2, 3, 24].map((hours) => time + hours * hour);
    return again.find((later) => show(later) === shown) ?? time;
  }

  test.each(zones)('%s: any instant, or the later one with the same time', (zone) => {
    const next = random(zone.length);
    const show = clock(zone);
    for (let round = 0; round < 1000; round += 1) {
      const time = Math.floor(from + next() * (until - from));
      const created = read(show(time), zone);
      const expected = lastWithSameClock(time, show);
      expect(created, show(time)).toEqual({ is: 'known', time: expected, naive: true });
    }
  });

  test.each(zones)('%s: every quarter of an hour of days around a change', (zone) => {
    const show = clock(zone);
    let repeated = 0;
    for (const [month, day] of [
      [2, 7],
      [2, 28],
      [3, 4],
      [9, 24],
      [10, 1],
    ] as const) {
      const start = Date.UTC(2025, month, day);
      for (let time = start; time < start + 96 * hour; time += hour / 4) {
        const expected = lastWithSameClock(time, show);
        if (expected !== time) repeated += 1;
        expect(instantOf(show(time), zone), show(time)).toBe(new Date(expected).toISOString());
      }
    }
    if (/Berlin|York/.test(zone)) expect(repeated).toBe(4);
  });
});
