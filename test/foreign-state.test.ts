/**
 * Root keeps runs and locks only where nobody else can change a component of the path, and the
 * environment of whoever called sudo does not decide where that is.
 */
import {
  chmodSync,
  existsSync,
  lchownSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ownStack, type OwnStack } from './support/own-config.ts';
import { requireOrSkip } from './support/requirements.ts';
import { toolEnvironment } from './support/tool.ts';
import { treeHash } from './support/witness.ts';

const STRANGER = 1234;

/** A service with one file, a directory of another user, and a file of root that is none's business. */
function scene(): OwnStack {
  const stack = ownStack();
  stack.config({ directories: ['cache'] });
  stack.files('cache/a', 'victim');
  mkdirSync(stack.path('user'));
  lchownSync(stack.path('user'), STRANGER, STRANGER);
  return stack;
}

const isWiped = (stack: OwnStack): boolean => !existsSync(stack.path('cache/a'));

describe.skipIf(!requireOrSkip('root', 'mount'))('a state directory that others can change', () => {
  test.each(['--state-dir', 'XDG_STATE_HOME'])(
    'by %s: nothing is written there, the wipe goes on and says so',
    async (by) => {
      const stack = scene();
      const state = stack.path('user/media-cleanup');
      mkdirSync(`${state}/locks`, { recursive: true });
      mkdirSync(`${state}/runs`);
      chmodSync(state, 0o700);
      symlinkSync(stack.path('victim'), `${state}/runs/log.jsonl`);
      const before = treeHash(stack.path('user'));
      const env = { ...toolEnvironment(stack.folder), XDG_STATE_HOME: stack.path('user') };
      const flag = by === '--state-dir' ? [by, state] : [];
      const { code, stderr } = await stack.run(['media', '--yes', ...flag], { env });
      expect(code, stderr).toBe(0);
      expect(stderr).toContain(`${stack.path('user')} belongs to user ${STRANGER}`);
      expect(isWiped(stack)).toBe(true);
      expect(treeHash(stack.path('user'))).toBe(before);
    },
  );

  test.each([
    ['SUDO_UID', { SUDO_UID: '1234' }],
    ['the home of another user', { HOME: 'user' }],
  ])('root with %s does not keep its runs where XDG_STATE_HOME says', async (_, more) => {
    const stack = scene();
    const home = 'HOME' in more ? { HOME: stack.path('user') } : more;
    const env = { ...toolEnvironment(stack.folder), XDG_STATE_HOME: stack.path('xdg'), ...home };
    const { stderr } = await stack.run(['media', '--yes'], { env });
    // Root's own place is read-only for a confined tool.
    expect(stderr).toContain('/var/lib/media-cleanup');
    expect(existsSync(stack.path('xdg'))).toBe(false);
    expect(isWiped(stack)).toBe(true);
  });
});

test.skipIf(!requireOrSkip('root', 'mount'))(
  'a log, a report and metrics behind links of a stranger: warnings, and nothing is written',
  async () => {
    const stack = scene();
    mkdirSync(stack.path('tmp'));
    chmodSync(stack.path('tmp'), 0o1777);
    writeFileSync(stack.path('victim'), 'secret', { mode: 0o600 });
    const outputs = ['--log-file', '--report-file', '--metrics-file'].flatMap((flag) => {
      const place = stack.path('tmp', flag.slice(2));
      symlinkSync('../victim', place);
      lchownSync(place, STRANGER, STRANGER);
      return [flag, place];
    });
    const { code, stdout, stderr } = await stack.run(['media', '--yes', ...outputs]);
    expect(code, stderr).toBe(0);
    expect(`${stdout}${stderr}`.match(/\(EFOREIGN\)/g)).toHaveLength(3);
    expect(readFileSync(stack.path('victim'), 'utf8')).toBe('secret');
    expect(isWiped(stack)).toBe(true);
  },
);

describe.skipIf(!requireOrSkip('root', 'mount'))('a config that others can change', () => {
  test.each<[what: string, spoil: (stack: OwnStack) => void, remedy: string]>([
    [
      'the file',
      (stack) => {
        chmodSync(stack.path('cleanup.config.json'), 0o664);
      },
      'chmod go-w',
    ],
    [
      'its directory',
      (stack) => {
        chmodSync(stack.folder, 0o777);
      },
      'chmod go-w',
    ],
    [
      'its owner',
      (stack) => {
        lchownSync(stack.path('cleanup.config.json'), STRANGER, STRANGER);
      },
      'chown -h root',
    ],
  ])('%s: a warning, and with --strict a refusal', async (_, spoil, remedy) => {
    const stack = scene();
    spoil(stack);
    const text = 'Others than root can change the config';
    const strict = await stack.run(['media', '--yes', '--strict']);
    expect(strict.code, strict.stderr).toBe(3);
    expect(strict.stderr).toContain(text);
    expect(isWiped(stack)).toBe(false);
    const doctor = await stack.run(['doctor', '--json']);
    expect(doctor.stdout).toContain(text);
    expect(doctor.stdout).toContain(remedy);
    const plain = await stack.run(['media', '--yes', '--json']);
    expect(plain.code, plain.stderr).toBe(0);
    expect(JSON.parse(plain.stdout)).toMatchObject({
      verified: true,
      // A state directory below it is not used any more, either.
      warnings: expect.arrayContaining([expect.stringContaining(remedy)]) as unknown[],
    });
  });
});
