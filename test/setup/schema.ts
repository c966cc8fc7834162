/** Writes cleanup.config.schema.json, or with `--check` fails when it is not current. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format } from 'prettier';
import { configJsonSchema } from '../../src/config/json-schema.ts';

const file = fileURLToPath(new URL('../../cleanup.config.schema.json', import.meta.url));
const current = await format(configJsonSchema(), { parser: 'json', printWidth: 100 });

if (!process.argv.includes('--check')) {
  writeFileSync(file, current);
} else if (read() !== current) {
  process.stderr.write(
    'cleanup.config.schema.json is not current: run `npx tsx test/setup/schema.ts`\n',
  );
  process.exitCode = 1;
}

function read(): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
