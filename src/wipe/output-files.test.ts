import { linkSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { testFolder } from '../../test/support/folder.ts';
import { refuseOutputsOverInputs } from './output-files.ts';

const NONE = {
  logFile: undefined,
  logFormat: undefined,
  reportFile: undefined,
  metricsFile: undefined,
  pingUrl: undefined,
};

function judge(outputs: Partial<Record<'logFile' | 'reportFile' | 'metricsFile', string>>) {
  const workingDirectory = testFolder();
  for (const name of ['cleanup.config.json', '.env', 'other']) {
    writeFileSync(join(workingDirectory, name), name);
  }
  symlinkSync('.env', join(workingDirectory, 'link'));
  linkSync(join(workingDirectory, '.env'), join(workingDirectory, 'second-name'));
  symlinkSync('not-yet', join(workingDirectory, 'dangling'));
  return () => {
    refuseOutputsOverInputs(
      { outputs: { ...NONE, ...outputs }, envFiles: ['.env'], configFile: undefined },
      { workingDirectory, env: {} },
    );
  };
}

describe('an output is refused that is', () => {
  test.each([
    [{ reportFile: 'cleanup.config.json' }, '--report-file cleanup.config.json is the config file'],
    [{ logFile: './x/../cleanup.config.json' }, 'is the config file'],
    [{ metricsFile: '.env' }, '--metrics-file .env is the file of --env-file'],
    [{ logFile: 'link' }, '--log-file link is the file of --env-file'],
    [{ logFile: 'second-name' }, '--log-file second-name is the file of --env-file'],
    [{ logFile: 'new', reportFile: './new' }, 'is the file of --log-file as well'],
    [{ reportFile: 'other', metricsFile: 'other' }, 'is the file of --report-file as well'],
  ])('%j', (outputs, message) => {
    expect(judge(outputs)).toThrow(message);
  });
});

test.each([
  {},
  { logFile: 'a', reportFile: 'b', metricsFile: 'c' },
  { logFile: '/dev/null', reportFile: '/dev/null', metricsFile: '/dev/null' },
  { reportFile: 'other' },
])('%j is fine', (outputs) => {
  expect(judge(outputs)).not.toThrow();
});
