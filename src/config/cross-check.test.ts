import { expect, test } from 'vitest';
import { crossCheck } from './cross-check.ts';
import type { ResolvedService } from './resolved.ts';

/** What is said of wrong configs is in wrong-configs.test.ts; here is when, and how much work it is. */

/** Services on one database, and how often anything of one was asked for. */
function services(count: number): { all: ResolvedService[]; asked: () => number } {
  let asked = 0;
  const redis = {
    kind: 'server',
    address: { host: '127.0.0.1', port: 6379 },
    db: 0,
  } as unknown as ResolvedService['config']['redis'];
  const all = Array.from({ length: count }, (_, index) => {
    const name = `s${index}`;
    const located = (value: string, ...path: string[]) => [
      { path: ['services', name, ...path], value },
    ];
    const service = {
      path: ['services', name],
      config: {
        redis,
        celery: { broker: redis, queues: [`queue${index}`], results: 'own', globalKeyPrefix: '' },
      },
      prefixes: located(`job${index}:`, 'keyPrefix'),
      foreignPrefixes: [],
      indexKeys: located(`list${index}`, 'indexKeys'),
      queues: located(`queue${index}`, 'celery', 'queues'),
      globalKeyPrefix: '',
    } as unknown as ResolvedService;
    return new Proxy(service, {
      get(target, key) {
        asked += 1;
        return Reflect.get(target, key) as unknown;
      },
    });
  });
  return { all, asked: () => asked };
}

test('the work grows with the number of services and not with its square', () => {
  const work = (count: number): number => {
    const { all, asked } = services(count);
    const said: string[] = [];
    crossCheck(all, {
      add: (_, message) => void said.push(message),
      markBroken: () => undefined,
      isBroken: () => false,
      list: () => [],
    });
    expect(said).toEqual([]);
    return asked();
  };
  expect(work(800)).toBeLessThan(work(200) * 5);
});

interface Names {
  readonly prefixes: readonly string[];
  readonly indexKeys?: readonly string[];
  readonly db?: number;
}

function service(name: string, { prefixes, indexKeys = [], db = 0 }: Names): ResolvedService {
  const located = (key: string, values: readonly string[]) =>
    values.map((value) => ({ path: ['services', name, key], value }));
  return {
    path: ['services', name],
    config: { redis: { kind: 'server', address: { host: '127.0.0.1', port: 6379 }, db } },
    prefixes: located('keyPrefix', prefixes),
    foreignPrefixes: [],
    indexKeys: located('indexKeys', indexKeys),
    queues: [],
    globalKeyPrefix: '',
  } as unknown as ResolvedService;
}

/** The paths of two services that something is said of, with the first words of each. */
function said(a: Names, b: Names, isHeldBack = false): readonly string[] {
  const lines: string[] = [];
  crossCheck(
    [service('a', a), service('b', b)],
    {
      add: (path, message) => void lines.push(`${path.slice(1).join('.')} ${message}`),
      markBroken: () => undefined,
      isBroken: () => false,
      list: () => [],
    },
    { isHeldBack },
  );
  return lines.map((line) => line.replace(/ (in the same Redis|the same Redis).*/, ''));
}

const JOBS = { prefixes: ['job:'] };
const indexed = (...indexKeys: string[]) => ({ prefixes: ['x:'], indexKeys });

test.each([
  ['a pattern', ['job:*'], 'would match keys that begin with'],
  ['a pattern around', ['j*'], 'would match keys that begin with'],
  ['a pattern within', ['job:list:*'], 'would match keys that begin with'],
  ['a pattern with a star before', ['*:list'], 'would match keys that begin with'],
  ['a pattern without a star', ['job:?'], 'would match keys that begin with'],
  ['a set', ['[ij]ob:x'], 'would match keys that begin with'],
  ['a name', ['job:list'], 'begins with'],
  ['the prefix itself', ['job:'], 'begins with'],
  ['one of several', ['x-list', 'job:list'], 'begins with'],
])("an index key of another service's jobs: %s", (_, indexKeys, words) => {
  expect(said(indexed(...indexKeys), JOBS)).toEqual(
    [`a.indexKeys ${words} b.keyPrefix`].map(named),
  );
  expect(said(JOBS, indexed(...indexKeys))).toEqual(
    [`b.indexKeys ${words} a.keyPrefix`].map(named),
  );
  expect(said(indexed(...indexKeys), { ...JOBS, db: 1 })).toEqual([]);
});

test.each(['j*', '*:list', '[ij]ob:x'])(
  'the wipe of %s leaves out the jobs of another service by the same address',
  (pattern) => {
    expect(said(indexed(pattern), JOBS, true)).toEqual([]);
  },
);

test.each([
  ['the same name', 'l:jobs', 'l:jobs', 'is the same key as'],
  ['the same pattern', 'l:*', 'l:*', 'is the same key as'],
  ['a pattern over a name', 'l:*', 'l:jobs', 'can be the same key as'],
  ['a name below a pattern', 'l:jobs', 'l:*', 'can be the same key as'],
  ['two patterns', 'l:*', 'l:b:*', 'can be the same key as'],
  ['two patterns the other way round', 'l:b:*', 'l:*', 'can be the same key as'],
])("another service's index: %s", (_, one, other, words) => {
  expect(said(indexed(one), { prefixes: ['y:'], indexKeys: [other] })).toEqual([
    named(`b.indexKeys ${words} a.indexKeys`),
  ]);
});

test.each([
  ['lists beside the jobs', ['a:jobs:list'], ['b:jobs:list']],
  ['names that begin alike', ['list'], ['list:b']],
  ['patterns of its own', ['a:jobs:*', 'a:by-[xy]'], ['b:jobs:*', 'b:by-[xy]']],
  ['patterns that end differently', ['idx:*:a'], ['idx:*:b']],
  ['a name that no pattern matches', ['idx:*:a'], ['idx:b']],
  ['a key below its own prefix', ['a:job:list'], ['b:job:list']],
  ['a set without the other', ['[ac]:jobs:*'], ['b:jobs:*']],
])('is fine: %s', (_, one, other) => {
  const a = { prefixes: ['a:job:'], indexKeys: one };
  const b = { prefixes: ['b:job:'], indexKeys: other };
  expect([said(a, b), said(b, a)]).toEqual([[], []]);
});

test('its own prefixes do not hide the one of another service', () => {
  const prefixes = Array.from({ length: 30 }, (_, index) => `l:${index}:`);
  const [line] = said({ prefixes, indexKeys: ['l:*'] }, { prefixes: ['l:x:'] });
  expect(line).toContain('a.indexKeys would match keys that begin with services.b.keyPrefix');
});

/** `a.keyPrefix` as a message names it. */
function named(line: string): string {
  return line.replace(/ ([ab])\.(\w+)$/, ' services.$1.$2');
}
