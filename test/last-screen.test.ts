/** The last screen before the answer holds what decides, however long the plan is. */
import { mkdirSync, symlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { makeFiles, writeConfig } from './support/config-file.ts';
import { testFolder } from './support/folder.ts';
import { startRedis } from './support/redis.ts';
import { requireOrSkip } from './support/requirements.ts';
import { CTRL_C, startOnTerminal } from './support/terminal.ts';
import { toolEnvironment } from './support/tool.ts';

const ROWS = 24;

/** What the terminal shows in the end, as rows; broken lines are still broken. */
function lastRows(text: string, columns: number): readonly string[] {
  return text
    .split(/\r*\n/)
    .flatMap((line) => line.match(new RegExp(`.{1,${columns}}`, 'gu')) ?? [''])
    .slice(-ROWS);
}

describe.skipIf(!requireOrSkip('redis'))('30 directories on 24 lines', () => {
  test.each([120, 80, 60])('%s columns', async (columns) => {
    const folder = testFolder();
    const redis = await startRedis(folder);
    onTestFinished(async () => redis.stop());
    const names = ['audio', 'video', 'image'];
    const elsewhere = join(folder, 'elsewhere');
    makeFiles(elsewhere, 2);
    const services = names.map((name, index) => {
      redis.cli(
        '-n',
        String(index),
        'EVAL',
        `for i = 1, 7 do redis.call('SET', 'job:' .. i, i) end`,
        '0',
      );
      const root = join(folder, 'services', name);
      const directories = Array.from({ length: 10 }, (_, at) => `data/d${at}`);
      for (const directory of directories) mkdirSync(join(root, directory), { recursive: true });
      return [
        name,
        {
          redis: redis.url(index),
          keyPrefix: 'job:',
          root: `../services/${name}`,
          directories: name === 'video' ? [...directories, 'linked'] : directories,
        },
      ] as const;
    });
    // Its path lies in the root, what would be emptied does not.
    symlinkSync(elsewhere, join(folder, 'services/video/linked'));
    const config = writeConfig(folder, Object.fromEntries(services));
    const env = {
      ...toolEnvironment(folder),
      NO_COLOR: '1',
      TEST_COLUMNS: String(columns),
      TEST_ROWS: String(ROWS),
    };
    const terminal = startOnTerminal(['all', '--config', config], { folder, env });
    await terminal.waitForScreen('Type "all" to delete all of this on ');
    const rows = lastRows(terminal.stdout(), columns);
    terminal.write(CTRL_C);
    await terminal.result;
    const screen = rows
      .join('\n')
      .replace(/\n {2,}/g, ' ')
      .replace(/\n/g, '');
    const flat = screen.replaceAll(' ', '');
    expect(flat).toContain(`Host ${hostname()}, config ${config}`.replaceAll(' ', ''));
    for (const [index, name] of names.entries()) {
      expect(screen).toContain(`${name}  Redis 127.0.0.1:${redis.port}/${index}: 7 jobs, 0 tasks`);
    }
    expect(flat).toContain(`31directories,30in${join(folder, 'services')}`);
    expect(screen).toContain(`! outside ../services/video: ${elsewhere}`);
    expect(rows.at(-1)).toMatch(/: $/);
  });
});
