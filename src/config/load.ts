import { dirname, resolve } from 'node:path';
import { CannotStart } from '../errors.ts';
import type { Problem } from '../errors.ts';
import { checkShape } from './check-shape.ts';
import { crossCheck } from './cross-check.ts';
import type { Variables } from './env-file.ts';
import { expandVariables } from './expand.ts';
import type { Environment } from './find.ts';
import { duplicateMessage, parseDocument } from './parse.ts';
import { createProblemCollector } from './problems.ts';
import { readConfigText } from './read-text.ts';
import { checkServiceName, resolveService } from './resolve-service.ts';
import type { Config } from './types.ts';

/**
 * The checked configuration in `file`. Reads that file, and looks whether TLS files are readable;
 * no directory of a service is looked at and nothing is connected.
 * @throws CannotStart with every problem of the file at once (its syntax errors alone when it does
 * not parse), each with its JSON path and position; no message shows a value.
 */
export function loadConfig(options: {
  readonly file: string;
  readonly env: Environment;
  readonly conflicts?: Variables['conflicts'];
}): Config {
  const file = resolve(options.file);
  const directory = dirname(file);
  const document = parseDocument(readConfigText(file));
  if ('errors' in document) throw cannotStart(file, document.errors);

  const problems = createProblemCollector(document);
  for (const duplicate of document.duplicates) {
    problems.add(duplicate.path, duplicateMessage(duplicate), duplicate.second);
  }
  const expanded = expandVariables(document.value, options.env, options.conflicts);
  for (const { path, message } of expanded.problems) problems.add(path, message);
  for (const { path } of expanded.problems) problems.markBroken(path);

  const draft = checkShape(expanded.value, problems);
  const entries = Object.entries(draft.services ?? {});
  if (draft.services !== undefined && entries.length === 0) {
    problems.add(['services'], 'must not be empty: name at least one service');
  }
  for (const [name] of entries) checkServiceName(name, problems);
  const services = entries.flatMap(([name, service]) =>
    service === undefined ? [] : [resolveService(name, service, directory, problems)],
  );
  crossCheck(services, problems);

  const found = problems.list();
  if (found.length > 0) throw cannotStart(file, found);
  return { file, services: services.map((service) => service.config) };
}

function cannotStart(file: string, problems: readonly Problem[]): CannotStart {
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
  return new CannotStart('config', `${count} in ${file}`, problems);
}
