/** `npm run test:versions` does the same a hundred times, with every version of Celery. */
import { describe, expect, test } from 'vitest';
import { requireOrSkip } from './support/requirements.ts';
import { lookOften, SEPARATORS } from './versions/looks.ts';

const SYSTEM = { name: 'system', packages: [], libraries: [], hasGevent: false };

describe.skipIf(!requireOrSkip('celery', 'redis', 'mount'))('a worker beside looks', () => {
  test.each(SEPARATORS)('works on: separator %j', async (separator) => {
    expect(await lookOften(SYSTEM, separator, 3)).toBeUndefined();
  });
});
