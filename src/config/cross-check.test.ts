import { expect, test } from 'vitest';
import { crossCheck } from './cross-check.ts';
import type { ResolvedService } from './resolved.ts';

/** What is said of wrong configs is in wrong-configs.test.ts; here is how much work it is. */

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
