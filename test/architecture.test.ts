/** The direction of imports, and a few words that must not appear in the code. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const SOURCE = fileURLToPath(new URL('../src', import.meta.url));

interface SourceFile {
  /** Relative to src: `files/erase.ts`. */
  readonly name: string;
  /** First component, or the file itself at the top: `files`, `main.ts`. */
  readonly part: string;
  /** Without comments. */
  readonly code: string;
  /** Relative to src for our own files, else the package or `node:` module. */
  readonly imports: readonly string[];
}

const files: readonly SourceFile[] = readSource();

function sourceNames(): string[] {
  return readdirSync(SOURCE, { encoding: 'utf8', recursive: true }).filter((name) =>
    name.endsWith('.ts'),
  );
}

function readSource(): SourceFile[] {
  return sourceNames()
    .filter((name) => !name.endsWith('.test.ts'))
    .toSorted()
    .map((name) => {
      const code = withoutComments(readFileSync(join(SOURCE, name), 'utf8'));
      const specifiers = [...code.matchAll(/\b(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g)];
      return {
        name,
        part: name.split('/')[0] ?? name,
        code,
        imports: specifiers.map(([, specifier = '']) => resolve(name, specifier)),
      };
    });
}

/** Good enough for formatted code: comments begin a line or follow a space. */
function withoutComments(text: string): string {
  return text.replace(/^\s*\/\*[\s\S]*?\*\//gm, '').replace(/(^|\s)\/\/.*$/gm, '$1');
}

function resolve(from: string, specifier: string): string {
  return specifier.startsWith('.') ? normalize(join(dirname(from), specifier)) : specifier;
}

/** `file → import` for every import of these parts that is forbidden. */
function offences(
  parts: readonly string[],
  forbidden: (imported: string, file: SourceFile) => boolean,
): string[] {
  return files
    .filter((file) => parts.includes(file.part))
    .flatMap((file) =>
      file.imports
        .filter((imported) => forbidden(imported, file))
        .map((imported) => `${file.name} → ${imported}`),
    );
}

function words(pattern: RegExp, except: readonly string[] = []): string[] {
  return files
    .filter((file) => !except.includes(file.name))
    .flatMap((file) => [...file.code.matchAll(pattern)].map(([word]) => `${file.name}: ${word}`));
}

const partOf = (imported: string): string => imported.split('/')[0] ?? imported;
const CORE = ['files', 'redis', 'celery'];

describe('imports', () => {
  test('are found at all', () => {
    expect(files.find(({ name }) => name === 'config/types.ts')?.imports).toEqual([
      'model/broker-settings.ts',
      'redis/target.ts',
    ]);
  });

  test('files, redis and celery know neither terminal nor command line', () => {
    expect(
      offences(CORE, (imported) => /^(chalk|ora|commander|cli-table3)$/.test(imported)),
    ).toEqual([]);
  });

  test('files, redis and celery do not know each other, but celery may use redis', () => {
    const forbidden = (imported: string, { part }: SourceFile): boolean =>
      CORE.includes(partOf(imported)) &&
      partOf(imported) !== part &&
      !(part === 'celery' && partOf(imported) === 'redis');
    expect(offences(CORE, forbidden)).toEqual([]);
  });

  test('report is data to text: no file system, no Redis', () => {
    const forbidden = (imported: string): boolean =>
      /^(node:)?fs(\/|$)|^ioredis$/.test(imported) ||
      [...CORE, 'runs', 'commands'].includes(partOf(imported));
    expect(offences(['report'], forbidden)).toEqual([]);
  });

  test('config knows of the core only what a Redis target is', () => {
    const forbidden = (imported: string): boolean =>
      [...CORE, 'runs', 'commands'].includes(partOf(imported)) && imported !== 'redis/target.ts';
    expect(offences(['config'], forbidden)).toEqual([]);
  });

  test('nothing reaches back up to main, cli and commands', () => {
    const lower = [...CORE, 'config', 'report', 'runs', 'errors.ts'];
    const forbidden = (imported: string): boolean =>
      ['main.ts', 'cli.ts', 'commands'].includes(partOf(imported));
    expect(offences(lower, forbidden)).toEqual([]);
    expect(offences(['commands', 'cli.ts'], (imported) => imported === 'main.ts')).toEqual([]);
  });
});

describe('words', () => {
  test('only the two programs read process, and what belongs to a process as a whole', () => {
    const use = /(?<![\w.])process(?:\.[a-z]\w*|\?\.|\[)|=\s*process\b|['"](?:node:)?process['"]/g;
    expect(words(use, ['main.ts', 'file-worker.ts', 'files/process-wide.ts'])).toEqual([]);
  });

  test('no FLUSHDB, no FLUSHALL, in tests neither', () => {
    const everywhere = sourceNames().filter((name) =>
      /flush(db|all)/i.test(readFileSync(join(SOURCE, name), 'utf8')),
    );
    expect(everywhere).toEqual([]);
  });

  test('commands reach Redis by way of the wire alone, which keeps transactions whole', () => {
    const connecting = ['redis/client.ts', 'redis/sentinels.ts'];
    expect(
      words(/(?<!redis|raw)\.(?:call(?:Buffer)?|sendCommand|multi|pipeline)\(/g, connecting),
    ).toEqual([]);
    expect(words(/'MULTI'/g, ['redis/wire.ts'])).toEqual([]);
  });

  test('no KEYS', () => {
    const command =
      /['"]keys['"]|\b\w*(?:redis|client|connection|pipeline|node)\w*\.keys(?:Buffer)?\(/gi;
    expect(words(command)).toEqual([]);
  });
});
