import { describe, expect, test } from 'vitest';
import { LARGEST_REPLY } from './byte-batch.ts';
import { createdAt } from './created-at.ts';
import { RedisError } from './errors.ts';
import { chooseByAge, nothingKept } from './job-age.ts';

const MB = 2 ** 20;
const OLD = '2026-01-01T00:00:00Z';
const YOUNG = '2026-06-01T00:00:00Z';
const BEFORE = Date.parse('2026-03-01T00:00:00Z');

/** What a Redis with these values answers; the largest reply, and how many there were. */
function fakeRedis(values: Readonly<Record<string, string>>) {
  const stored = new Map(Object.entries(values).map(([key, value]) => [key, Buffer.from(value)]));
  const figures = { largest: 0, replies: 0, bytes: 0 };
  const valueOf = (key: unknown): Buffer | undefined => stored.get(String(key));
  const isHash = (key: unknown): boolean => valueOf(key)?.toString() === 'a hash';
  const answer = (command: string, args: readonly unknown[]): unknown => {
    const [key, from, to] = args;
    if (command === 'MGET') return args.map((one) => (isHash(one) ? null : (valueOf(one) ?? null)));
    if (isHash(key)) throw new RedisError('WRONGTYPE', '', '');
    const value = valueOf(key) ?? Buffer.alloc(0);
    if (command === 'STRLEN') return value.length;
    return value.subarray(Number(from), Number(to) + 1);
  };
  const send = async (command: string, ...args: readonly unknown[]): Promise<never> => {
    const reply = answer(command, args);
    const bytes = [reply]
      .flat()
      .reduce<number>((sum, one) => sum + (Buffer.isBuffer(one) ? one.length : 8), 0);
    figures.largest = Math.max(figures.largest, bytes);
    figures.bytes += bytes;
    figures.replies += 1;
    return Promise.resolve(reply as never);
  };
  return { redis: { send, isCluster: false }, figures, stored };
}

async function choose(values: Readonly<Record<string, string>>) {
  const fake = fakeRedis(values);
  const age = {
    before: BEFORE,
    createdAt: (value: Buffer) => createdAt(value, 'UTC'),
    kept: nothingKept(),
  };
  const keys = Object.keys(values).map((key) => Buffer.from(key));
  const old = await chooseByAge(keys, age, fake.redis);
  return { old: old.map(String), kept: age.kept, figures: fake.figures };
}

const BIG = 'x'.repeat(3 * MB);

describe('chooseByAge', () => {
  test('values of all sizes by their own date, wherever it stands, in replies of at most 1 MB', async () => {
    const { old, kept, figures } = await choose({
      first: `{"created_at":"${OLD}","result":"${BIG}"}`,
      'first, young': `{"created_at":"${YOUNG}","result":"${BIG}"}`,
      last: `{"result":"${BIG}","created_at":"${OLD}"}`,
      'last, young': `{"result":"${BIG}","created_at":"${YOUNG}"}\n`,
      'an old decoy': `{"meta":{"created_at":"${OLD}"},"result":"${BIG}","created_at":"${YOUNG}"}`,
      'a young decoy': `{"text":"\\"created_at\\":\\"${YOUNG}\\"","result":"${BIG}","created_at":"${OLD}"}`,
      'twice, the last counts': `{"created_at":"${OLD}","result":"${BIG}","created_at":"${YOUNG}"}`,
      undated: `{"meta":{"created_at":"${OLD}"},"result":"${BIG}"}`,
      'cut off': `{"created_at":"${OLD}","result":"${BIG}`,
      'not closed': `{"result":["${BIG}"],"a":{}`,
      'no JSON': BIG,
      hash: 'a hash',
      small: `{"created_at":"${OLD}"}`,
      empty: '',
      ...Object.fromEntries(
        Array.from({ length: 40 }, (_, at) => [
          `middle-${at}`,
          `{"result":"${'x'.repeat(100_000)}","created_at":"${at % 2 === 0 ? OLD : YOUNG}"}`,
        ]),
      ),
    });
    const middle = Array.from({ length: 20 }, (_, at) => `middle-${2 * at}`);
    expect(old.toSorted()).toEqual(
      ['a young decoy', 'first', 'last', 'small', ...middle].toSorted(),
    );
    expect(kept).toEqual({ young: 24, undated: 2, broken: 4, naive: 0 });
    expect(figures.largest).toBeLessThanOrEqual(LARGEST_REPLY);
  });

  test('of large values only as much is read as has the date', async () => {
    const values = Array.from({ length: 10 }, (_, at) => [
      `job-${at}`,
      `{"created_at":"${OLD}","result":"${BIG}"}`,
    ]);
    const { old, figures } = await choose(Object.fromEntries(values) as Record<string, string>);
    expect(old).toHaveLength(10);
    expect(figures.bytes).toBeLessThan(2 * MB);
  });

  test('a value that is always written anew has no known age', async () => {
    const fake = fakeRedis({ job: `{"result":"${BIG}","created_at":"${OLD}"}` });
    const send = async (command: string, ...args: readonly unknown[]): Promise<never> => {
      const job = fake.stored.get('job') ?? Buffer.alloc(0);
      if (command === 'GETRANGE') fake.stored.set('job', Buffer.concat([job, Buffer.from(' ')]));
      return fake.redis.send(command, ...args);
    };
    const age = {
      before: BEFORE,
      createdAt: (value: Buffer) => createdAt(value, 'UTC'),
      kept: nothingKept(),
    };
    expect(await chooseByAge([Buffer.from('job')], age, { send, isCluster: false })).toEqual([]);
    expect(age.kept).toEqual({ young: 0, undated: 0, broken: 1, naive: 0 });
  });
});
