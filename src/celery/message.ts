/** What a wipe needs to know of a kombu message (celery message protocols 1 and 2). Pure. */
export interface Message {
  /** Undefined when the message names none. */
  readonly taskId: string | undefined;
  /** The group, or the chord whose header it belongs to. */
  readonly groupId: string | undefined;
  readonly exchange: string | undefined;
  readonly routingKey: string | undefined;
  /** It may have ids that are not known: they stand in what was left out, or in a body that only Python reads. */
  readonly hidesIds?: true;
}

/** Stands for texts of large messages, and for whole messages, that were not read. */
export const LEFT_OUT = '\0left out';
const LEFT_OUT_JSON = Buffer.from(JSON.stringify(LEFT_OUT));

/** Whether nothing of a message was read. */
export function isLeftOut(bytes: Buffer): boolean {
  return bytes.equals(LEFT_OUT_JSON);
}

/** An entry of the `unacked` hash: `[message, exchange, routing_key]`. */
export interface UnackedEntry {
  readonly taskId: string | undefined;
  readonly groupId: string | undefined;
  readonly exchange: string;
  readonly routingKey: string;
  readonly hidesIds?: true;
}

/** Undefined when it is no kombu message. */
export function parseMessage(bytes: Buffer): Message | undefined {
  return readMessage(parseJson(bytes));
}

export function parseUnacked(bytes: Buffer): UnackedEntry | undefined {
  const entry = parseJson(bytes);
  if (!Array.isArray(entry)) return undefined;
  const [raw, exchange, routingKey] = entry as readonly unknown[];
  if (typeof routingKey !== 'string') return undefined;
  // Where it goes back to is not known then.
  if (routingKey === LEFT_OUT || exchange === LEFT_OUT) return undefined;
  const message = readMessage(raw);
  return {
    taskId: message?.taskId,
    groupId: message?.groupId,
    // kombu writes null for the default exchange in places.
    exchange: typeof exchange === 'string' ? exchange : '',
    routingKey,
    ...(message?.hidesIds || raw === LEFT_OUT ? { hidesIds: true } : {}),
  };
}

/** Whether something of it was not read. */
export function lacksText(bytes: Buffer): boolean {
  return bytes.includes(LEFT_OUT_JSON);
}

function readMessage(value: unknown): Message | undefined {
  const message = asRecord(value);
  const properties = asRecord(message?.['properties']);
  if (message === undefined || properties === undefined) return undefined;
  const delivery = asRecord(properties['delivery_info']);
  const headers = asRecord(message['headers']);
  const id = headers?.['id'];
  const isInBody = asText(id) === undefined;
  const body = isInBody ? readBody(message['body']) : undefined;
  const fields = asRecord(body);
  // A body that is left out is no JSON either.
  const isBodyHidden = isInBody && body === undefined && asText(message['body']) !== undefined;
  const isHidden = isBodyHidden || [message['headers'], id, headers?.['group']].includes(LEFT_OUT);
  return {
    taskId: idOf(id) ?? idOf(fields?.['id']) ?? idOf(properties['correlation_id']),
    groupId: idOf(headers?.['group']) ?? idOf(fields?.['taskset']),
    exchange: asString(delivery?.['exchange']),
    routingKey: asString(delivery?.['routing_key']),
    ...(isHidden ? { hidesIds: true } : {}),
  };
}

/** Protocol 1 has the ids in its body: JSON, mostly in base64. Undefined when it is something else. */
function readBody(body: unknown): unknown {
  if (typeof body !== 'string') return undefined;
  return parseJson(Buffer.from(body, 'base64')) ?? parseJson(Buffer.from(body));
}

function idOf(value: unknown): string | undefined {
  return value === LEFT_OUT ? undefined : asText(value);
}

/** Undefined when it is no JSON. */
export function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString()) as unknown;
  } catch {
    return undefined;
  }
}

export function asRecord(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

function asString(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** Undefined for an empty text too. */
export function asText(value: unknown): string | undefined {
  return asString(value) || undefined;
}
