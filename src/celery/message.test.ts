import { describe, expect, test } from 'vitest';
import { lacksText, LEFT_OUT, parseMessage, parseUnacked } from './message.ts';

const base64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64');
const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

const PROTOCOL_2 = {
  body: base64([[], {}, {}]),
  headers: { id: 'task-2', task: 'process' },
  properties: {
    correlation_id: 'task-2',
    delivery_info: { exchange: '', routing_key: 'video_downloader_queue' },
  },
};
const PROTOCOL_1 = {
  body: base64({ id: 'task-1', task: 'process', args: [] }),
  headers: {},
  properties: { delivery_info: { exchange: 'media', routing_key: 'video' } },
};

describe('a message', () => {
  test('of protocol 2 has its task id in the headers', () => {
    expect(parseMessage(bytes(PROTOCOL_2))).toEqual({
      taskId: 'task-2',
      exchange: '',
      routingKey: 'video_downloader_queue',
    });
  });

  test('of protocol 1 has it in the body', () => {
    expect(parseMessage(bytes(PROTOCOL_1))?.taskId).toBe('task-1');
  });

  test('with nothing else is known by its correlation id', () => {
    expect(parseMessage(bytes({ properties: { correlation_id: 'task-3' } }))?.taskId).toBe(
      'task-3',
    );
  });

  test.each(['', 'plain text', '[]', '42', 'null', '{"a":1}', '\xff'])('%j is none', (text) => {
    expect(parseMessage(Buffer.from(text, 'latin1'))).toBeUndefined();
  });
});

describe('an entry of unacked', () => {
  test('tells task, exchange and routing key', () => {
    expect(parseUnacked(bytes([PROTOCOL_2, 'media', 'video']))).toEqual({
      taskId: 'task-2',
      exchange: 'media',
      routingKey: 'video',
    });
  });

  test('may have null for the default exchange', () => {
    expect(parseUnacked(bytes([PROTOCOL_2, null, 'q']))?.exchange).toBe('');
  });

  test('without a routing key cannot be attributed', () => {
    expect(parseUnacked(bytes([PROTOCOL_2, '', null]))).toBeUndefined();
    expect(parseUnacked(bytes(PROTOCOL_2))).toBeUndefined();
    expect(parseUnacked(Buffer.from('no JSON'))).toBeUndefined();
  });
});

describe('ids that nobody can read are not taken for none', () => {
  const hides = (value: unknown): boolean => parseMessage(bytes(value))?.hidesIds === true;

  test.each([
    ['a body that only Python reads', { ...PROTOCOL_1, body: 'gAJ9cQAu' }],
    ['a body that was left out', { ...PROTOCOL_1, body: LEFT_OUT }],
    ['an id that was left out', { ...PROTOCOL_2, headers: { id: LEFT_OUT } }],
    ['a group that was left out', { ...PROTOCOL_2, headers: { id: '1', group: LEFT_OUT } }],
  ])('%s', (_, message) => {
    expect(hides(message)).toBe(true);
    expect(parseUnacked(bytes([message, '', 'q']))?.hidesIds).toBe(true);
  });

  test.each([
    ['protocol 2', PROTOCOL_2],
    ['protocol 2 without its body', { ...PROTOCOL_2, body: LEFT_OUT }],
    ['protocol 1', PROTOCOL_1],
    ['protocol 1 without base64', { ...PROTOCOL_1, body: '{"id":"1"}' }],
    ['a body without an id', { properties: {}, body: base64([1]) }],
  ])('but %s', (_, message) => {
    expect(hides(message)).toBe(false);
  });

  test('an entry of unacked whose exchange or queue was left out is none of theirs', () => {
    for (const entry of [
      [PROTOCOL_2, LEFT_OUT, 'q'],
      [PROTOCOL_2, '', LEFT_OUT],
    ]) {
      expect(parseUnacked(bytes(entry))).toBeUndefined();
      expect(lacksText(bytes(entry))).toBe(true);
    }
  });
});
