/** Completion as it is used: TAB pressed in real bash, zsh and fish. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createFolder, testFolder } from './support/folder.ts';
import { requireOrSkip } from './support/requirements.ts';
import { SHELLS, startShell, type Shell, type ShellOnTerminal } from './support/shells.ts';
import { runTool, toolEnvironment } from './support/tool.ts';

const T = '\t';
const ODD_NAMES = ['a b', '$(touch pwned)', '`touch pwned`', "a'b", 'a:b', 'a;touch pwned', 'a\tb'];

function writeConfig(file: string, names: readonly string[]): void {
  const services = names.map((name) => [name, { directories: [`data-${name.length}`] }]);
  writeFileSync(file, JSON.stringify({ services: Object.fromEntries(services) as object }));
}

describe.each(SHELLS)('%s', (shell: Shell) => {
  const isThere = shell === 'bash' || requireOrSkip(shell);
  const folder = createFolder();
  const { path } = folder;
  const state = join(path, 'kept');
  let terminal: ShellOnTerminal;
  let runs: readonly string[];

  beforeAll(async () => {
    if (!isThere) return;
    writeConfig(join(path, 'cleanup.config.json'), ['audio-transcriber', 'video-downloader']);
    writeConfig(join(path, 'other.json'), ['zebra', 'yak']);
    writeConfig(join(path, 'odd.json'), [...ODD_NAMES, 'sound']);
    writeFileSync(join(path, 'broken.json'), '{ "services": { "audio": ');
    mkdirSync(join(path, 'store'));
    writeFileSync(join(path, 'storage.txt'), '');
    runs = await keepRuns();
    terminal = await startShell(shell, path);
  });

  afterAll(async () => {
    if (isThere) await terminal.end();
    folder.remove();
  });

  /** Two real wipes of a directory of their own. Newest first. */
  async function keepRuns(): Promise<readonly string[]> {
    mkdirSync(join(path, 'rubbish'));
    const config = join(path, 'rubbish.json');
    writeFileSync(config, JSON.stringify({ services: { rubbish: { directories: ['rubbish'] } } }));
    for (let run = 0; run < 2; run += 1) {
      writeFileSync(join(path, 'rubbish/file'), 'rubbish');
      const words = ['rubbish', '--yes', '-c', config, '--state-dir', state];
      expect(await runTool(words, { folder: path })).toMatchObject({ code: 0 });
    }
    return readdirSync(join(state, 'runs')).toSorted().toReversed();
  }

  test.skipIf(!isThere).each([
    ['a command', `do${T}`, 'doctor '],
    ['a flag', `all --dr${T}`, 'all --dry-run '],
    ['a service', `video${T}`, 'video-downloader '],
    ['a service that is left', `video-downloader ${T}`, 'video-downloader audio-transcriber '],
    ['a service of --config', `--config other.json z${T}`, '--config other.json zebra '],
    [
      'a service of --config=',
      `stats --config=other.json z${T}`,
      'stats --config=other.json zebra ',
    ],
    ['a service of -c', `stats -c "other.json" y${T}`, 'stats -c "other.json" yak '],
    ['a word in quotes', `"vid${T}`, '"video-downloader" '],
    ['a choice', `all --format ma${T}`, 'all --format markdown '],
    ['a choice behind =', `all --log-format=js${T}`, 'all --log-format=json '],
    [
      'what a list lacks',
      `all --skip jobs,queue,files,m${T}`,
      'all --skip jobs,queue,files,models ',
    ],
    ['a shell', `completion f${T}`, 'completion fish '],
    ['the page of a command', `help st${T}u${T}`, 'help status '],
    ['a flag of a command', `logs --fol${T}`, 'logs --follow '],
    ['a file', `all --report-file stora${T}`, 'all --report-file storage.txt '],
    ['a file behind =', `all --config=oth${T}`, 'all --config=other.json '],
    ['a directory, and no file', `status --state-dir sto${T}`, 'status --state-dir store/'],
  ])('completes %s', async (_, keys, line) => {
    const pressed = await terminal.press(`media-cleanup ${keys}`);
    expect(pressed.line.trimEnd()).toBe(`media-cleanup ${line}`.trimEnd());
  });

  test.skipIf(!isThere).each([
    [
      'commands and services',
      T,
      ['stats', 'doctor', 'completion', 'audio-transcriber', 'video-downloader', 'all'],
      ['__complete', 'zebra', 'storage'],
    ],
    ['services of --config', `--config other.json ${T}`, ['zebra', 'yak'], ['video-downloader']],
    ['formats', `all --format ${T}`, ['table', 'json', 'markdown'], ['storage', 'video']],
    ['formats of a command', `stats --format ${T}`, ['table', 'json'], ['markdown']],
    ['kinds', `all --only ${T}`, ['jobs', 'queue', 'files', 'models'], ['storage']],
    ['shells', `completion ${T}`, ['bash', 'zsh', 'fish'], ['video']],
    ['flags', `all --yes --${T}`, ['--version', '--dry-run'], ['--background']],
    ['services, behind a flag of the wipe no command', `--yes ${T}`, ['all', 'video'], ['doctor']],
  ])('shows %s', async (_, keys, present, absent) => {
    const { screen } = await terminal.press(`media-cleanup ${keys}`);
    // Without the line itself, which the shell draws again below its list.
    const shown = screen.replaceAll(`media-cleanup ${keys.slice(0, -1)}`, '');
    for (const word of present) expect(shown).toContain(word);
    for (const word of absent) expect(shown).not.toContain(word);
    if (shell !== 'bash' && keys === T) expect(shown).toContain('Show what is');
  });

  test.skipIf(!isThere).each([
    ['behind all', `all ${T}`],
    ['for a flag that was given', `all --yes --ye${T}`],
    ['for a hidden flag', `all --backg${T}`],
    ['for a hidden command', `__co${T}`],
    ['for a duration', `all --timeout ${T}`],
    ['behind a service of another config', `-c other.json zebra yak ${T}`],
    ['for a broken config', `stats -c broken.json au${T}`],
    ['for a config that is not there', `stats -c nothing.json au${T}`],
    ['for a substitution that nobody ran', `stats -c "$(touch pwned)" vi${T}`],
    ['behind a substitution', `stats $(touch pwned) \`touch pwned\` nothing${T}`],
  ])('offers nothing %s, runs nothing and says nothing', async (_, keys) => {
    const { line, screen } = await terminal.press(`media-cleanup ${keys}`);
    expect(line).toBe(`media-cleanup ${keys.slice(0, -1)}`);
    expect(screen).not.toMatch(/storage|rror|such file|doctor/);
    expect(existsSync(join(path, 'pwned'))).toBe(false);
  });

  test.skipIf(!isThere)('offers of an odd config only what a service may be called', async () => {
    const { line } = await terminal.press(`media-cleanup stats -c odd.json s${T}`);
    expect(line.trimEnd()).toBe('media-cleanup stats -c odd.json sound');
    for (const begin of ['', 'a', '\\$', "'$", '"$']) {
      const { line: typed, screen } = await terminal.press(
        `media-cleanup stats -c odd.json ${begin}${T}`,
      );
      expect(`${typed} ${screen}`).not.toMatch(/touch|a b|a'b|a:b|a;/);
    }
    expect(existsSync(join(path, 'pwned'))).toBe(false);
  });

  test.skipIf(!isThere)('shows the runs that are kept, the newest first', async () => {
    // The first TAB writes what all of them begin with.
    const { screen, line: taken } = await terminal.press(
      `media-cleanup status --state-dir kept ${T}${T}`,
    );
    const shown = [...screen.matchAll(/cleanup_total_\d{8}_\d{6}/g)].map(([id]) => id);
    // fish shows only where they differ, and the second TAB takes the first of them.
    if (shell === 'fish') expect(taken.trimEnd()).toContain(runs[0]);
    else expect(shown.filter((id, index) => shown.indexOf(id) === index)).toEqual(runs);
    if (shell !== 'bash') expect(screen).toContain('completed: rubbish');
    const { line } = await terminal.press(`media-cleanup logs --state-dir kept cl${T}`);
    expect(line).toContain('media-cleanup logs --state-dir kept cleanup_total_');
  });
});

test('the config of $MEDIA_CLEANUP_CONFIG counts, and ~', async () => {
  const folder = testFolder();
  mkdirSync(join(folder, 'home'));
  writeConfig(join(folder, 'home/other.json'), ['zebra']);
  const env = { ...toolEnvironment(folder), MEDIA_CLEANUP_CONFIG: join(folder, 'home/other.json') };
  const ask = async (words: readonly string[]): Promise<string> =>
    (await runTool(['__complete', 'fish', '--', ...words], { folder, env })).stdout;
  expect(await ask(['stats', ''])).toContain('zebra\tservice of ');
  expect(await ask(['-c', '~/other.json', ''])).toContain('zebra\t');
  expect(await ask(['-c', 'none.json', ''])).not.toContain('zebra');
});

test('a named pipe as config is not read', async () => {
  const folder = testFolder();
  execFileSync('mkfifo', [join(folder, 'pipe')]);
  const answer = await runTool(['__complete', 'zsh', '--', '-c', 'pipe', ''], { folder });
  expect(answer).toMatchObject({ code: 0, stderr: '' });
});

test.skipIf(!requireOrSkip('zsh'))(
  'the script can be sourced twice, in shells of any kind',
  async () => {
    const folder = testFolder();
    for (const shell of SHELLS) {
      const { stdout, code } = await runTool(['completion', shell], { folder });
      expect(code).toBe(0);
      const file = join(folder, shell);
      writeFileSync(file, stdout);
      const strict = shell === 'fish' ? '' : 'set -eu; ';
      const words = ['-c', `${strict}source ${file}; source ${file}; echo ok`];
      const output = execFileSync(shell, words, {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      expect(output).toBe('ok\n');
      expect(readFileSync(file, 'utf8')).not.toMatch(/\beval\b.*\$/);
    }
  },
);
