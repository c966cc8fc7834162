/** Configured directories that are not there: a warning, or an error where the data is elsewhere. */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { makeFiles, wipeJson, writeConfig } from './support/config-file.ts';
import { testFolder } from './support/folder.ts';
import { runTool } from './support/tool.ts';
import { fileList } from './support/witness.ts';

function serviceIn(folder: string, directories: readonly unknown[], more: object = {}): string {
  return writeConfig(folder, { s: { root: join(folder, 'svc'), directories, ...more } });
}

async function quiet(config: string, folder: string) {
  const args = ['all', '--yes', '--quiet', '--config', config];
  return await runTool(args, { folder, cwd: join(folder, 'cwd') });
}

describe('a directory that is not there', () => {
  test('is a warning that --quiet shows, unless it may be absent', async () => {
    const folder = testFolder();
    makeFiles(join(folder, 'svc/uploads'), 2);
    const config = serviceIn(folder, ['uploads', 'processed', 'nothing/*']);
    const result = await quiet(config, folder);
    expect(result.code).toBe(0);
    expect(result.stderr).toContain(`${folder}/svc/processed does not exist`);
    expect(result.stderr).toContain('nothing/* matches no directory');
    const optional = (path: string) => ({ path, optional: true });
    const silent = serviceIn(folder, ['uploads', optional('processed'), optional('nothing/*')]);
    const again = await quiet(silent, folder);
    expect([again.code, again.stdout, again.stderr]).toEqual([0, '', '']);
    const strict = await runTool(['all', '--yes', '--strict', '--config', silent], {
      folder,
      cwd: join(folder, 'cwd'),
    });
    expect(strict.code).toBe(0);
  });

  test.each([
    { title: 'two letters changed places', there: 'transcriptions', written: 'trasncriptions' },
    { title: 'another case', there: 'Uploads', written: 'uploads' },
    { title: 'a letter too few', there: 'uploads', written: 'upload' },
    { title: 'another separator', there: 'temp-files', written: 'temp_files' },
    { title: 'a folder above', there: 'data/cache', written: 'dta/cache' },
  ])('beside one of nearly its name is an error: $title', async ({ there, written }) => {
    const folder = testFolder();
    makeFiles(join(folder, 'svc', there), 2);
    makeFiles(join(folder, 'svc/other'), 1);
    const config = serviceIn(folder, [written, 'other']);
    const { code, report } = await wipeJson(config, { folder });
    expect([code, report.verified]).toEqual([1, false]);
    expect(report.services['s']).toMatchObject({ unknown: ['files'], files_deleted: 1 });
    const [failure] = report.services['s']?.failures ?? [];
    expect(failure).toMatchObject({ code: 'EMISSING' });
    expect(failure?.hint).toContain(`"${there}" instead of "${written}"`);
    expect(fileList(join(folder, 'svc', there))).toHaveLength(2);
    const result = await quiet(config, folder);
    expect([result.code, result.stdout.includes(there)]).toEqual([1, true]);
    const doctor = await runTool(['doctor', '--config', config], { folder });
    expect(doctor.code).toBe(1);
    expect(doctor.stdout.replaceAll(/\s+/g, ' ')).toContain(`"${there}" instead of "${written}"`);
    const plan = await runTool(['all', '--dry-run', '--config', config], {
      folder,
      cwd: join(folder, 'cwd'),
    });
    expect(plan.code).toBe(1);

    const mended = serviceIn(folder, [there, 'other']);
    expect((await wipeJson(mended, { folder })).code).toBe(0);
    expect(fileList(join(folder, 'svc', there))).toEqual([]);
  });

  test('also where it is the folder of a pattern', async () => {
    const folder = testFolder();
    makeFiles(join(folder, 'svc/uploads/a'), 1);
    const config = serviceIn(folder, ['uplaods/*']);
    const { code, report } = await wipeJson(config, { folder });
    expect(code).toBe(1);
    expect(report.services['s']?.failures[0]?.hint).toContain('"uploads/*" instead of "uplaods/*"');
    expect((await wipeJson(serviceIn(folder, ['uploads/*']), { folder })).code).toBe(0);
    expect(fileList(join(folder, 'svc/uploads'))).toEqual([]);
  });

  test.each([
    ['an alternative of braces', '{uploads,outptu}', 'output', '"output" instead of "outptu"'],
    ['a part behind a star', 'jobs/*/temp', 'jobs/a/tmp', '"jobs/*/tmp" instead of "jobs/*/temp"'],
    ['a part before braces', 'dat/{a,b}', 'data/a', '"data/a" instead of "dat/a"'],
  ])('also where it is %s', async (_title, pattern, there, hint) => {
    const folder = testFolder();
    makeFiles(join(folder, 'svc/uploads'), 1);
    makeFiles(join(folder, 'svc', there), 1);
    const config = serviceIn(folder, [pattern]);
    const { code, report } = await wipeJson(config, { folder });
    expect([code, report.verified]).toEqual([1, false]);
    expect(report.services['s']?.failures[0]?.hint).toContain(hint);
    expect(fileList(join(folder, 'svc', there))).toHaveLength(1);
  });

  test('an alternative of braces that is nowhere is a warning', async () => {
    const folder = testFolder();
    makeFiles(join(folder, 'svc/uploads'), 1);
    const { code, report } = await wipeJson(serviceIn(folder, ['{uploads,frames}']), { folder });
    expect(code).toBe(0);
    expect(report.warnings).toEqual([
      expect.stringContaining('the pattern frames matches no directory'),
    ]);
  });

  test('is no slip for another one that is configured itself', async () => {
    const folder = testFolder();
    makeFiles(join(folder, 'svc/temp'), 1);
    const { code } = await wipeJson(serviceIn(folder, ['temp', 'tmp']), { folder });
    expect(code).toBe(0);
  });

  test('is an error where an earlier run deleted files: the disk may be absent', async () => {
    const folder = testFolder();
    makeFiles(join(folder, 'svc/cache'), 3);
    const config = serviceIn(folder, ['cache']);
    expect((await wipeJson(config, { folder })).code).toBe(0);
    renameSync(join(folder, 'svc/cache'), join(folder, 'elsewhere'));
    makeFiles(join(folder, 'elsewhere'), 2);
    const { code, report } = await wipeJson(config, { folder });
    expect([code, report.verified]).toEqual([1, false]);
    expect(report.errors[0]).toMatch(
      /Cache\/\.: .*does not exist, and the run cleanup_total_\d+_\d+ deleted 3 files there/,
    );
    expect(fileList(join(folder, 'elsewhere'))).toHaveLength(2);
  });

  test.each([
    { value: './data/store' },
    { value: '/app/data/store' },
    { value: '"data/store"   # where the videos are' },
  ])('is an error where the .env of the service names another place: $value', async ({ value }) => {
    const folder = testFolder();
    makeFiles(join(folder, 'svc/data/store'), 1);
    writeFileSync(join(folder, 'svc/.env'), `CACHE_DIR=${value}\nCACHE_TTL=5\n`);
    const config = serviceIn(folder, ['cache']);
    const { code, report } = await wipeJson(config, { folder });
    expect(code).toBe(1);
    expect(report.errors[0]).toContain('CACHE_DIR=');
    expect(report.services['s']?.failures[0]?.hint).toContain('"data/store" instead of "cache"');
    expect(fileList(join(folder, 'svc/data/store'))).toHaveLength(1);
  });

  test('a root of nearly its name is named', async () => {
    const folder = testFolder();
    mkdirSync(join(folder, 'services/audio'), { recursive: true });
    const config = writeConfig(folder, {
      s: { root: join(folder, 'service/audio'), directories: ['uploads'] },
    });
    const { code, report } = await wipeJson(config, { folder });
    expect(code).toBe(1);
    expect(report.errors[0]).toContain(`but there is ${join(folder, 'services/audio')}`);
  });
});

describe('a dry run', () => {
  test('that could not look is no yes to the wipe', async () => {
    const folder = testFolder();
    const config = writeConfig(folder, {
      s: { redis: 'redis://127.0.0.1:1/0', keyPrefix: 'job:', root: folder, directories: ['d'] },
    });
    makeFiles(join(folder, 'd'), 1);
    const { code, stdout } = await runTool(['all', '--dry-run', '--config', config], {
      folder,
      cwd: join(folder, 'cwd'),
    });
    expect(code).toBe(1);
    expect(stdout.trim().split('\n').at(-1)).toBe(
      'DRY RUN: 0 jobs + 1 files + 0 models would be removed (0MB), 0 tasks, nothing was changed, 1 error: not all is counted',
    );
  });
});
