/** What a wipe needs to know of a kombu message (celery message protocols 1 and 2). Pure. */
export interface Message {
  /** Undefined when the message names none. */
  readonly taskId: string | undefined;
  /** The group, or the chord whose header it belongs to. */
  readonly groupId: string | undefined;
  readonly exchange: string | undefined;
  readonly routingKey: string | undefined;
}

/** An entry of the `unacked` hash: `[message, exchange, routing_key]`. */
export interface UnackedEntry {
  readonly taskId: string | undefined;
  readonly groupId: string | undefined;
  readonly exchange: string;
  readonly routingKey: string;
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
  const message = readMessage(raw);
  return {
    taskId: message?.taskId,
    groupId: message?.groupId,
    // kombu writes null for the default exchange in places.
    exchange: typeof exchange === 'string' ? exchange : '',
    routingKey,
  };
}

function readMessage(value: unknown): Message | undefined {
  const message = asRecord(value);
  const properties = asRecord(message?.['properties']);
  if (message === undefined || properties === undefined) return undefined;
  const delivery = asRecord(properties['delivery_info']);
  const headers = asRecord(message['headers']);
  const body = asText(headers?.['id']) === undefined ? readBody(message['body']) : undefined;
  return {
    taskId: asText(headers?.['id']) ?? asText(body?.['id']) ?? asText(properties['correlation_id']),
    groupId: asText(headers?.['group']) ?? asText(body?.['taskset']),
    exchange: asString(delivery?.['exchange']),
    routingKey: asString(delivery?.['routing_key']),
  };
}

/** Protocol 1 has the ids in its body: base64 of a JSON object. */
function readBody(body: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof body === 'string' ? asRecord(parseJson(Buffer.from(body, 'base64'))) : undefined;
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
