import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { configJsonSchema } from './json-schema.ts';

interface Schema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | false;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
}

const file = new URL('../../cleanup.config.schema.json', import.meta.url);

test('cleanup.config.schema.json is current: else run `npx tsx test/setup/schema.ts`', () => {
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(JSON.parse(configJsonSchema()));
});

test('every key is described, and no object takes unknown keys', () => {
  const visit = (schema: Schema, name: string): void => {
    for (const [key, property] of Object.entries(schema.properties ?? {})) {
      expect(property.description, `${name}.${key}`).toBeTruthy();
      visit(property, `${name}.${key}`);
    }
    if (schema.properties !== undefined) expect(schema.additionalProperties, name).toBe(false);
    if (schema.additionalProperties) visit(schema.additionalProperties, `${name}.*`);
    if (schema.items !== undefined) visit(schema.items, `${name}[]`);
    schema.anyOf?.forEach((branch, index) => visit(branch, `${name}|${index}`));
  };
  visit(JSON.parse(configJsonSchema()) as Schema, '');
});
