import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { CannotStart } from '../errors.ts';
import { readEnvFiles } from './env-file.ts';

function folder(files: Readonly<Record<string, string>>): string {
  const path = mkdtempSync(join(tmpdir(), 'media-cleanup-test-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
}

test('variables as compose reads them, a later file first, the process before all', () => {
  const workingDirectory = folder({
    '.env':
      'export PASSWORD="se cret" # x\nHOST=one\nURL=redis://:${PASSWORD}@${HOST}\nKEPT=file\n',
    'b.env': "HOST=two\nLITERAL='$HOST'\nEMPTY=file\n",
  });
  const env = { KEPT: 'process', EMPTY: '' };
  expect(readEnvFiles(['.env', 'b.env'], { workingDirectory, env }).env).toEqual({
    PASSWORD: 'se cret',
    HOST: 'two',
    URL: 'redis://:se cret@one',
    LITERAL: '$HOST',
    KEPT: 'process',
    EMPTY: '',
  });
  expect(readEnvFiles([], { workingDirectory, env }).env).toBe(env);
});

test.each([
  ['nowhere.env', 'it does not exist'],
  ['folder', 'it is not a file'],
  ['.env/x', 'it does not exist'],
  ['', 'names no file'],
])('"%s" is refused', (name, reason) => {
  const workingDirectory = folder({ '.env': 'A=hunter2\n' });
  mkdirSync(join(workingDirectory, 'folder'));
  const read = (): unknown => readEnvFiles([name], { workingDirectory, env: {} });
  expect(read).toThrow(reason);
  expect(read).toThrow(CannotStart);
  try {
    read();
  } catch (error) {
    expect((error as CannotStart).exitCode).toBe(2);
  }
});

test('a variable that two files define with different values is a conflict', () => {
  const workingDirectory = folder({
    'a.env': 'URL=one\nSAME=${BASE:-x}\nBASE=x\nPASSWORD=a\nSET=a\nFIRST=${PASSWORD}\n',
    'b.env': 'URL=two\nSAME="x"\nWHOLE=redis://:${PASSWORD}@h\nPASSWORD=b\nSET=b\n',
    'c.env': 'LATER=${WHOLE}/1\nURL=two\n',
  });
  const files = ['a.env', 'b.env', 'c.env'];
  const { conflicts } = readEnvFiles(files, { workingDirectory, env: { SET: 'process' } });
  const pair = ['a.env', 'b.env'];
  expect(Object.fromEntries(conflicts)).toEqual({
    URL: { variable: 'URL', files: pair },
    PASSWORD: { variable: 'PASSWORD', files: pair },
    WHOLE: { variable: 'PASSWORD', files: pair },
    LATER: { variable: 'PASSWORD', files: pair },
  });
  expect(readEnvFiles(['a.env', './a.env'], { workingDirectory, env: {} }).conflicts.size).toBe(0);
});
