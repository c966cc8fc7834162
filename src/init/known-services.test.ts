import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { KNOWN_SERVICES, knownService } from './known-services.ts';

test('say what the shipped config says', () => {
  const shipped = JSON.parse(
    readFileSync(new URL('../../cleanup.config.json', import.meta.url), 'utf8'),
  ) as { services: unknown };
  const known = KNOWN_SERVICES.map((service) => [
    service.name,
    {
      redis: `\${${service.variable}:-${service.url}}`,
      keyPrefix: service.keyPrefix,
      celery: { queues: [service.queue] },
      root: `services/${service.name}`,
      directories: service.directories,
      ...(service.models.length === 0 ? {} : { models: service.models }),
    },
  ]);
  expect(Object.fromEntries(known)).toEqual(shipped.services);
});

test.each([
  ['audio_transcriber-worker', 'audio-transcriber'],
  ['acme/video-downloader', 'video-downloader'],
  ['stack_audio-normalization_1', 'audio-normalization'],
  ['audio-transcribers', undefined],
  ['my', undefined],
])('%s', (name, expected) => {
  expect(knownService([undefined, name])?.name).toBe(expected);
});
