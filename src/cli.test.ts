import { describe, expect, test } from 'vitest';
import { parseDuration, parseSize } from './cli-values.ts';
import { parseArguments } from './cli.ts';
import type { Request } from './commands/request.ts';

function request(...argv: string[]): Request {
  const parsed = parseArguments(argv, '1.2.3');
  if (parsed.is !== 'request') throw new Error(parsed.text);
  return parsed.request;
}

describe('argv becomes a request', () => {
  test.each<[string[], object]>([
    [['all'], { command: 'wipe', targets: ['all'], yes: false, dryRun: false, strict: false }],
    [['a', 'b', '-y'], { targets: ['a', 'b'], yes: true }],
    [['all', '-n', '-c', 'x.json'], { dryRun: true, configFile: 'x.json' }],
    [['all', '--json'], { format: 'json' }],
    [['all', '--format', 'json'], { format: 'json' }],
    [['all'], { format: 'table', kinds: ['jobs', 'queue', 'files', 'models'] }],
    [['all', '--only', 'models,jobs'], { kinds: ['jobs', 'models'] }],
    [['all', '--only', 'models', '--only', 'jobs'], { kinds: ['jobs', 'models'] }],
    [['all', '--skip', 'models', '--skip', 'jobs'], { kinds: ['queue', 'files'] }],
    [['all', '--keep-models'], { kinds: ['jobs', 'queue', 'files'] }],
    [['all', '--only', 'files,models', '--skip', 'models'], { kinds: ['files'] }],
    [
      ['all', '--max-files', '5', '--max-bytes', '1.5G', '--max-jobs', '0'],
      { caps: { files: 5, bytes: 1.5 * 2 ** 30, jobs: 0 } },
    ],
    [['all'], { cancelRunning: true, waitIdle: undefined, verifyFor: 0 }],
    [['all', '--cancel-running'], { cancelRunning: true }],
    [['all', '--no-cancel-running'], { cancelRunning: false, restartWorkers: false }],
    [['all', '--restart-workers'], { cancelRunning: true, restartWorkers: true }],
    [
      ['all', '--wait-idle', '40s', '--verify-for', '1h30m'],
      { waitIdle: 40_000, verifyFor: 5_400_000 },
    ],
    [['doctor'], { command: 'doctor', targets: ['all'], fix: false, format: 'table' }],
    [
      ['doctor', 'a', '--fix', '--json'],
      { command: 'doctor', targets: ['a'], fix: true, format: 'json' },
    ],
    [['all', '--no-color', '-q'], { color: false, quiet: true }],
    [['stats', 'all', '--json'], { command: 'stats', targets: ['all'], format: 'json' }],
    [['-c', 'x.json', 'stats', 'all'], { command: 'stats', configFile: 'x.json' }],
  ])('%j', (argv, expected) => {
    expect(request(...argv)).toMatchObject(expected);
  });
});

test.each([
  { argv: ['help'] },
  { argv: ['help', 'stats'] },
  { argv: ['stats', '-h'] },
  { argv: ['doctor', '-h'] },
  { argv: ['-V'] },
])('$argv is a text on stdout', ({ argv }) => {
  const parsed = parseArguments(argv, '1.2.3');
  expect(parsed).toMatchObject({ is: 'text', stream: 'stdout', exitCode: 0 });
});

describe('what cannot be meant is a usage error', () => {
  test.each([
    [['all', '--only', 'everything'], '"everything" is none of'],
    [['all', '--only', 'models', '--keep-models'], 'nothing to remove'],
    [['all', '--json', '--format', 'table'], 'exclude each other'],
    [['all', '-q', '-v'], 'cannot be used with'],
    [['all', '--max-files', '-1'], 'whole number'],
    [['all', '--max-bytes', 'much'], 'a size like'],
    [['--yes', 'stats', 'all'], '--yes is not for stats'],
    [['--yes', 'doctor'], '--yes is not for doctor'],
    [['all', '--fix'], 'Unknown option'],
    [['all', '--wait-idle', 'soon'], 'a duration like'],
    [['all', '--restart-workers', '--no-cancel-running'], 'exclude each other'],
    [['all', '--restart-workers', '--only', 'jobs'], 'is for the kind queue'],
    [['all', '--restart-workers', '--older-than', '7d'], 'is for the kind queue'],
    [['all', '--yess'], 'Did you mean --yes?'],
  ])('%j', (argv, message) => {
    expect(() => parseArguments(argv, '1.2.3')).toThrow(message);
  });
});

test.each([
  ['500', 500],
  ['1k', 1024],
  ['500MB', 500 * 2 ** 20],
  ['512MiB', 512 * 2 ** 20],
  ['1.5 T', 1.5 * 2 ** 40],
])('a size of %s', (text, bytes) => {
  expect(parseSize(text)).toBe(bytes);
});

test.each([
  ['0', 0],
  ['500ms', 500],
  ['40s', 40_000],
  ['1.5h', 5_400_000],
  ['1h30m', 5_400_000],
  ['7d', 604_800_000],
  ['25d', 2_160_000_000],
  ['36500d', 3_153_600_000_000],
  ['0.2ms', 0],
])('a duration of %s', (text, milliseconds) => {
  expect(parseDuration(text)).toBe(milliseconds);
});

test.each(['', '5', '5 s', 's', '-5s', '5sx', '1w'])('no duration: "%s"', (text) => {
  expect(() => parseDuration(text)).toThrow('a duration like');
});

test.each(['36501d', '876001h', '36500d1ms', '99999999999999999999d', `${'9'.repeat(400)}ms`])(
  'a duration of %s is more than a Date and a timer can do',
  (text) => {
    expect(() => parseDuration(text)).toThrow('at most 36500d');
  },
);

const DURATION_FLAGS = ['--timeout', '--lock-wait', '--wait-idle', '--verify-for', '--older-than'];

test.each(
  DURATION_FLAGS.flatMap((flag) =>
    ['1e9d', '-1d', '-1', '', 'Infinity', 'NaN', '40000d'].map((text) => [flag, text] as const),
  ),
)('%s "%s" is a usage error that names the flag', (flag, text) => {
  expect(() => parseArguments(['all', flag, text], '1.2.3')).toThrow(flag);
});

test.each(['0', '0d', '0.4ms'])('--timeout %s would stop before it began', (text) => {
  expect(() => parseArguments(['all', '--timeout', text], '1.2.3')).toThrow('at least 1ms');
});

test('a cap that no sum of sizes can be above is a usage error', () => {
  expect(() => parseSize('9'.repeat(400))).toThrow('at most');
  expect(() => parseSize('8192T')).toThrow('at most 8191T');
});
