/**
 * Builds dist/: the tool and the packages it needs in a few files. One file loads in a third of the
 * time of three hundred, and what runs as root is what was tested, not what a registry answers on
 * the day of the install. Not minified, so that a stack trace tells something.
 */
import { existsSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type BuildOptions } from 'esbuild';

const repository = fileURLToPath(new URL('../..', import.meta.url));
const [, , wanted = join(repository, 'dist')] = process.argv;
const aside = `${wanted}.${process.pid}`;

const common = {
  absWorkingDir: repository,
  outdir: aside,
  bundle: true,
  platform: 'node',
  target: 'node20',
  mainFields: ['module', 'main'],
  // Comments name each module's file: below node_modules, wherever that really is.
  preserveSymlinks: true,
  metafile: true,
  logLevel: 'warning',
} satisfies BuildOptions;
const { metafile } = await build({
  ...common,
  entryPoints: ['src/main.ts'],
  splitting: true,
  format: 'esm',
  chunkNames: '[name]-[hash]',
  // CommonJS packages ask for Node's own modules with require.
  banner: {
    js: "import { createRequire } from 'node:module';const require = createRequire(import.meta.url);",
  },
});
// In one file and without Node's loader of modules, which takes a fifth of a worker's start.
const worker = await build({
  ...common,
  entryPoints: ['src/file-worker.ts'],
  outExtension: { '.js': '.cjs' },
  format: 'cjs',
});
const inputs = { ...metafile.inputs, ...worker.metafile.inputs };
writeFileSync(
  join(aside, 'THIRD-PARTY-LICENSES.txt'),
  licenses(packageDirectories(Object.keys(inputs))),
);
// Whoever runs the tool meanwhile finds the old build or the new one.
const old = `${aside}.old`;
if (existsSync(wanted)) renameSync(wanted, old);
renameSync(aside, wanted);
rmSync(old, { recursive: true, force: true });

function packageDirectories(inputs: readonly string[]): readonly string[] {
  const found = inputs.map((input) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1]);
  return [...new Set(found)].filter((directory) => directory !== undefined).toSorted();
}

function licenses(directories: readonly string[]): string {
  const parts = directories.map((directory) => {
    const absolute = join(repository, directory);
    const { name, version, license } = JSON.parse(
      readFileSync(join(absolute, 'package.json'), 'utf8'),
    ) as { readonly name: string; readonly version: string; readonly license?: string };
    const file = readdirSync(absolute).find((entry) => /^licen[cs]e/i.test(entry));
    const text =
      file === undefined ? `License: ${license ?? 'see the package'}` : readText(absolute, file);
    return `${name} ${version}\n${'-'.repeat(72)}\n${text.trim()}\n`;
  });
  return `media-cleanup contains these packages:\n\n${parts.join('\n\n')}`;
}

function readText(directory: string, file: string): string {
  return readFileSync(join(directory, file), 'utf8');
}
