/**
 * Topic exchanges as kombu matches them (kombu/transport/virtual/exchange.py, `TopicExchange`). It
 * keeps a regular expression beside each binding; whoever can write to Redis can write another one,
 * so ours is made of the binding's routing key, and is matched without backtracking. Pure.
 */
import { linearTest } from '../model/linear-regex.ts';

/** RabbitMQ allows 255 bytes. */
const LONGEST = 1000;
const MOST_CACHED = 10_000;

const tests = new Map<string, ((routingKey: string) => boolean) | undefined>();

/** The regular expression that kombu keeps for a routing key (`key_to_pattern`). */
export function patternOfKey(routingKey: string): string {
  return write(routingKey, { '*': '.*?[^\\.]', '#': '.*?' });
}

/**
 * The test whether a message's routing key matches a binding's; undefined when kombu cannot read
 * the binding either (`a.**`), or nobody has such a long one.
 */
export function topicTest(bindingKey: string): ((routingKey: string) => boolean) | undefined {
  if (bindingKey.length > LONGEST) return undefined;
  if (!tests.has(bindingKey)) {
    if (tests.size >= MOST_CACHED) tests.clear();
    tests.set(bindingKey, compile(bindingKey));
  }
  return tests.get(bindingKey);
}

function compile(bindingKey: string): ((routingKey: string) => boolean) | undefined {
  try {
    // Python's `.` is any character but a line feed; its `$` lets one stand at the end.
    const test = linearTest(write(bindingKey, { '*': '[^\\n]*?[^.]', '#': '[^\\n]*?' }));
    return (key) => test(key) || (key.endsWith('\n') && test(key.slice(0, -1)));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function write(routingKey: string, wildcards: Readonly<Record<string, string>>): string {
  const escaped = routingKey.replace(/[^\p{L}\p{N}.#*]/gu, '\\$&').replaceAll('\0', '000');
  const words = escaped.split('.').map((word) => wildcards[word] ?? word);
  return `^${words.join('\\.')}$`;
}
