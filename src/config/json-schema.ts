/** For editors and for cleanup.config.schema.json; the command itself never loads this. */
import * as z from 'zod';
import { configSchema } from './schema.ts';

/** The JSON schema (draft 7, which editors know best) of the config file, as JSON text. */
export function configJsonSchema(): string {
  const schema = z.toJSONSchema(configSchema, { target: 'draft-7', io: 'input' });
  const { $schema, description, ...rest } = schema;
  const titled = { $schema, title: 'cleanup.config.json', description, ...rest };
  return `${JSON.stringify(titled, null, 2)}\n`;
}
