/** A file system that is mounted while the run goes on hides what the proof is about. */
import { describe, expect, test } from 'vitest';
import { ownStack } from './support/own-config.ts';
import { requireOrSkip } from './support/requirements.ts';

describe.skipIf(!requireOrSkip('root', 'mount'))('what is mounted during the run', () => {
  test.each([
    ['over a directory', 'data'],
    ['over the one above it', '.'],
  ])('%s: not verified, named, and what is there stays', async (_, place) => {
    const stack = ownStack();
    stack.config({ root: 'srv', directories: ['data'] });
    stack.files('srv/data/a');
    // Once the wipe has emptied the directory; the look at it goes on for seconds.
    const mount = `mount -t tmpfs none srv/${place} && mkdir -p srv/data && touch srv/data/precious`;
    const prepare = `(while [ -e srv/data/a ]; do sleep 0.1; done; ${mount}) &`;
    const args = ['media', '--yes', '--json', '--verify-for', '3s'];
    const { code, stdout } = await stack.run(args, { prepare });
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      verified: false,
      files_deleted: 1,
      errors: [expect.stringMatching(/^Data\/\.: Another file system was mounted there/)],
    });
  });
});
