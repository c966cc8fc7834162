/** A project folder with files, for `init`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { testFolder } from './folder.ts';

export type Files = Readonly<Record<string, string>>;

/** Files by path; a path that ends in `/` is a folder. */
export function project(files: Files): string {
  const folder = testFolder();
  addFiles(folder, files);
  return folder;
}

export function addFiles(folder: string, files: Files): void {
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, name);
    mkdirSync(name.endsWith('/') ? path : dirname(path), { recursive: true });
    if (!name.endsWith('/')) writeFileSync(path, text);
  }
}
