import { describe, expect, test } from 'vitest';
import { parseMessage, parseUnacked } from './message.ts';

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
