/** The media stack's services as cleanup.config.json of the package describes them. */

export interface KnownService {
  readonly name: string;
  readonly variable: string;
  readonly url: string;
  readonly keyPrefix: string;
  readonly queue: string;
  readonly directories: readonly string[];
  readonly models: readonly string[];
}

export const KNOWN_SERVICES: readonly KnownService[] = [
  {
    name: 'audio-transcriber',
    variable: 'AUDIO_TRANSCRIBER_REDIS_URL',
    url: 'redis://127.0.0.1:6379/3',
    keyPrefix: 'transcription_job:',
    queue: 'audio_transcriber_queue',
    directories: ['uploads', 'transcriptions', 'temp'],
    models: ['models'],
  },
  {
    name: 'audio-normalization',
    variable: 'AUDIO_NORMALIZATION_REDIS_URL',
    url: 'redis://127.0.0.1:6379/2',
    keyPrefix: 'normalization_job:',
    queue: 'audio_normalization_queue',
    directories: ['uploads', 'processed', 'temp'],
    models: [],
  },
  {
    name: 'video-downloader',
    variable: 'VIDEO_DOWNLOADER_REDIS_URL',
    url: 'redis://127.0.0.1:6379/1',
    keyPrefix: 'video_job:',
    queue: 'video_downloader_queue',
    directories: ['cache', 'downloads', 'temp'],
    models: [],
  },
];

/** By a service's name, folder or image: `audio_transcriber-worker` is audio-transcriber. */
export function knownService(names: readonly (string | undefined)[]): KnownService | undefined {
  for (const name of names) {
    const plain = name?.toLowerCase().replaceAll('_', '-');
    const found = KNOWN_SERVICES.find(
      (service) =>
        plain !== undefined &&
        new RegExp(`(?:^|[^a-z0-9])${service.name}(?:$|[^a-z0-9])`).test(plain),
    );
    if (found !== undefined) return found;
  }
  return undefined;
}
