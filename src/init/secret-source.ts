/** Where the value of a variable stands that has to be set by hand. No value is in the text. */
import type { Part } from './group-services.ts';
import { leadsTo, readAddress, urlText } from './redis-found.ts';
import type { RedisFound, Secret } from './redis-found.ts';

/** An absolute path as messages name it. */
export type ShownPath = (path: string) => string;

/** `CELERY_BROKER_URL of services/thumbs/.env, with the host as this machine reaches it: redis:…`. */
export function describeSource(
  found: RedisFound,
  part: Part | undefined,
  shown: ShownPath,
): string {
  const { secret } = found;
  if (secret === undefined) return '';
  const change = secret.is === 'url' ? changeOfUrl(found, secret) : changeOfPassword(secret);
  const pieces = part?.container.variables.get(secret.variable)?.pieces ?? [];
  const hasVariables = pieces.some(
    ({ variable }) => variable !== undefined && variable !== secret.variable,
  );
  const replaced = hasVariables ? ', with the values of the variables in it' : '';
  return `${placeOf(secret, part, shown)}${replaced}${change}`;
}

function placeOf(secret: Secret, part: Part | undefined, shown: ShownPath): string {
  const { variable } = secret;
  if (part === undefined) return variable;
  const { container, project } = part;
  const entry = container.variables.get(variable);
  const isFromOutside = entry?.pieces.some((piece) => piece.variable === variable) ?? true;
  // An entry of the compose file itself is used before an env file's variable of that name.
  if (!isFromOutside && container.folderOf(variable) === undefined && project.kind === 'compose') {
    return `${variable} of ${container.originOf(variable).file}`;
  }
  const file = container.envFileOf(variable);
  if (file !== undefined) return `${variable} of ${shown(file)}`;
  if (entry === undefined && container.variables.has(`${variable}_FILE`)) {
    const { file: origin } = container.originOf(`${variable}_FILE`);
    return `content of the file that ${variable}_FILE of ${origin} names`;
  }
  if (entry === undefined && secret.is === 'url' && part.celery?.broker !== undefined) {
    return `broker URL (-b) of the worker's command in ${project.file}`;
  }
  return secret.value === ''
    ? `${variable}, which is set neither here nor in an env file`
    : `${variable} of the environment that init ran in`;
}

function changeOfPassword({ encode, value }: Secret): string {
  const isNeeded = encode && (value === '' || encodeURIComponent(value) !== value);
  return isNeeded ? ', percent-encoded' : '';
}

function changeOfUrl(found: RedisFound, { value }: Secret): string {
  const url = urlText(found, `${found.username}:PASSWORD@`);
  try {
    return leadsTo(found, readAddress(value))
      ? ''
      : `, with the host as this machine reaches it: ${url}`;
  } catch {
    return `, as ${url} with the password percent-encoded`;
  }
}
