/** Input typed before the question is no answer, on a real pseudo-terminal. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { makeFiles, writeConfig } from './support/config-file.ts';
import { testFolder } from './support/folder.ts';
import { CTRL_C, CTRL_D, startOnTerminal, type OnTerminal } from './support/terminal.ts';
import { toolEnvironment } from './support/tool.ts';
import { fileList } from './support/witness.ts';

const QUESTION = 'Type "media" to delete all of this on ';
const DISCARDED = 'Input typed before the question was discarded.';

interface Scene {
  readonly terminal: OnTerminal;
  left(): number;
}

function scene(): Scene {
  const folder = testFolder();
  makeFiles(join(folder, 'uploads'), 3);
  const config = writeConfig(folder, { media: { root: '..', directories: ['uploads'] } });
  const env = toolEnvironment(folder);
  return {
    terminal: startOnTerminal(['media', '--config', config], { folder, env }),
    left: () => fileList(join(folder, 'uploads')).length,
  };
}

describe('text before the question', () => {
  test.each([
    { title: 'the word', typed: 'media\n' },
    { title: 'the word and a carriage return, as a terminal sends it', typed: 'media\r' },
    { title: 'the word without its end', typed: 'media' },
    { title: 'a part of it', typed: 'med' },
    { title: 'several lines', typed: 'media\n\nmedia\nmedia\nmed' },
    { title: 'the end of input', typed: CTRL_D },
    { title: 'the end of input after the word', typed: `media${CTRL_D}media${CTRL_D}${CTRL_D}` },
    { title: 'more than a terminal keeps', typed: `${'media\n'.repeat(900)}med` },
  ])('$title: no answer, and the word after the question counts', async ({ typed }) => {
    const { terminal, left } = scene();
    terminal.write(typed);
    await terminal.waitForScreen(QUESTION);
    await sleep(400);
    expect(terminal.stdout()).toContain(DISCARDED);
    // A spinner that was there goes back to the first column.
    const asked = terminal.stdout().replaceAll('\u001B[1G', '');
    expect(asked).toMatch(/(?:^|\n)Type "media" to delete all of this on [^\n]*: $/);
    expect(left()).toBe(3);
    terminal.write('media\n');
    const { code } = await terminal.result;
    expect([code, left()]).toEqual([0, 0]);
  });

  test.each(['media\n', 'media', CTRL_D])('%j while the plan is shown', async (typed) => {
    const { terminal, left } = scene();
    await terminal.waitForScreen('Config: ');
    expect(terminal.stdout()).not.toContain(QUESTION);
    terminal.write(typed);
    await terminal.waitForScreen(QUESTION);
    await sleep(400);
    expect(left()).toBe(3);
    terminal.write('\n');
    const { code, stdout } = await terminal.result;
    expect(stdout).toContain('Not confirmed: nothing was touched.');
    expect([code, left()]).toEqual([4, 3]);
  });

  test('a part before and a part after make no word', async () => {
    const { terminal, left } = scene();
    terminal.write('med');
    await terminal.waitForScreen(QUESTION);
    terminal.write('ia\n');
    expect([(await terminal.result).code, left()]).toEqual([4, 3]);
  });

  test('keys that do not rest: the question waits for them', async () => {
    const { terminal, left } = scene();
    for (let pressed = 0; pressed < 60; pressed += 1) {
      terminal.write('media\n');
      await sleep(30);
    }
    expect(terminal.stdout()).toContain('Waiting until no key is pressed');
    expect(terminal.stdout()).not.toContain(QUESTION);
    await terminal.waitForScreen(QUESTION);
    await sleep(400);
    expect(left()).toBe(3);
    terminal.write(CTRL_C);
    expect([(await terminal.result).code, left()]).toEqual([130, 3]);
  });
});

describe('text with the question', () => {
  test('in the moment in which it appears: the answer', async () => {
    const { terminal, left } = scene();
    while (!terminal.stdout().includes(QUESTION)) await sleep(0);
    terminal.write('media\n');
    expect([(await terminal.result).code, left()]).toEqual([0, 0]);
  });

  test('nothing was typed before: nothing is said of that', async () => {
    const { terminal, left } = scene();
    await terminal.waitForScreen(QUESTION);
    expect(terminal.stdout()).not.toContain(DISCARDED);
    terminal.write('media\r');
    const { code, stdout } = await terminal.result;
    expect([code, left()]).toEqual([0, 0]);
    // The terminal is back in its line mode: what is typed is echoed.
    expect(stdout).toMatch(/: media\r?\n/);
  });
});

test('Ctrl-C before the question ends it, whenever it comes', async () => {
  for (const moment of [0, 20, 45, 70, 95, 120, 145, 170]) {
    const { terminal, left } = scene();
    await terminal.waitForScreen('Config: ');
    await sleep(moment);
    terminal.write(CTRL_C);
    const { code, stdout } = await terminal.result;
    expect([code, left()], stdout).toEqual([130, 3]);
  }
});
