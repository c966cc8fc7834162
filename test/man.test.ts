/** The man page: current, correct, and with all that the help has. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { buildProgram } from '../src/cli.ts';
import { WIPE_HELP } from '../src/help.ts';
import { requireOrSkip } from './support/requirements.ts';
import { REPOSITORY } from './support/tool.ts';

const PAGE = join(REPOSITORY, 'man/media-cleanup.1');

describe.skipIf(!requireOrSkip('man'))('man page', () => {
  function shown(): string {
    const env = { PATH: process.env['PATH'], MANWIDTH: '80', LANG: 'C.UTF-8' };
    const { stdout, stderr, status } = spawnSync('man', ['--warnings', '-l', '-P', 'cat', PAGE], {
      env,
      encoding: 'utf8',
    });
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
    return stdout;
  }

  test('is what the code says now', () => {
    const script = join(REPOSITORY, 'test/setup/man.ts');
    const tsx = join(REPOSITORY, 'node_modules/.bin/tsx');
    execFileSync(tsx, [script, '--check'], { stdio: 'pipe' });
  });

  test('has no message from mandoc or groff', () => {
    const lint = spawnSync('mandoc', ['-T', 'lint', PAGE], { encoding: 'utf8' });
    expect(`${lint.stdout}${lint.stderr}`).toBe('');
    shown();
  });

  test('shows every command, every flag and every exit code, within 80 columns', () => {
    const text = shown();
    const words = text.replace(/\s+/g, ' ');
    const program = buildProgram('', () => undefined);
    const help = program.createHelp();
    for (const command of [program, ...help.visibleCommands(program)]) {
      expect(words).toContain(help.commandDescription(command).replace(/\s+/g, ' '));
      for (const option of help.visibleOptions(command)) {
        expect(words).toContain(help.optionTerm(option));
        expect(words).toContain(help.optionDescription(option));
      }
    }
    for (const line of WIPE_HELP.split('\n')) {
      const [, name = '', what = ''] = /^ {2}(\S.*?) {2,}(\S.*)$/.exec(line) ?? [];
      expect(words).toContain(name.replaceAll('…', '...'));
      expect(words).toContain(what);
    }
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(text).not.toContain('--background');
    expect(text).not.toContain('__complete');
  });

  test('hyphens are those of the keyboard, for searching and copying', () => {
    const plain = readFileSync(PAGE, 'utf8').replace(/\\[(]..|\\./g, '');
    expect(plain.split('\n').filter((line) => !line.startsWith('.') && line.includes('-'))).toEqual(
      [],
    );
    expect(shown()).not.toMatch(/[\u2010-\u2015\u2018\u2019]/);
  });
});
