/**
 * A media stack as operators have it, made by other means than the tool's own code: the shell makes
 * the files, Celery the messages, redis-cli the neighbours' keys.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { CeleryApp } from './celery.ts';
import type { TestRedis } from './redis.ts';
import { REPOSITORY, toolEnvironment } from './tool.ts';

export const SERVICES = {
  'audio-transcriber': {
    db: 3,
    keyPrefix: 'transcription_job:',
    queue: 'audio_transcriber_queue',
    directories: ['uploads', 'transcriptions', 'temp', 'models'],
  },
  'audio-normalization': {
    db: 2,
    keyPrefix: 'normalization_job:',
    queue: 'audio_normalization_queue',
    directories: ['uploads', 'processed', 'temp'],
  },
  'video-downloader': {
    db: 1,
    keyPrefix: 'video_job:',
    queue: 'video_downloader_queue',
    directories: ['cache', 'downloads', 'temp'],
  },
} as const;

export type ServiceName = keyof typeof SERVICES;
export const SERVICE_NAMES = Object.keys(SERVICES) as readonly ServiceName[];

/** The shipped config and all directories of the services, empty, below `folder`. */
export function makeStack(folder: string): void {
  copyFileSync(join(REPOSITORY, 'cleanup.config.json'), join(folder, 'cleanup.config.json'));
  for (const name of SERVICE_NAMES) {
    for (const directory of SERVICES[name].directories) {
      mkdirSync(directoryOf(folder, name, directory), { recursive: true });
    }
  }
}

export function directoryOf(folder: string, service: ServiceName, directory: string): string {
  return join(folder, 'services', service, directory);
}

/** What the shipped config asks of the environment, pointed at the test's own Redis. */
export function stackEnvironment(folder: string, redis: TestRedis): Record<string, string> {
  return {
    ...toolEnvironment(folder),
    AUDIO_TRANSCRIBER_REDIS_URL: redis.url(3),
    AUDIO_NORMALIZATION_REDIS_URL: redis.url(2),
    VIDEO_DOWNLOADER_REDIS_URL: redis.url(1),
  };
}

export function celeryApp(folder: string, redis: TestRedis, name: ServiceName): CeleryApp {
  const { db, queue, keyPrefix } = SERVICES[name];
  return { folder, broker: redis.url(db), queues: [queue], keyPrefix };
}

/**
 * Files of every kind in a directory, by the shell: at several depths, hidden, with a newline, with
 * bytes that are no UTF-8, 255 bytes long, empty, sparse, a FIFO, a socket, a dangling link, a link
 * to `victim`, two names of one file.
 */
export function fillDirectory(directory: string, victim: string): void {
  const script = `
    set -e
    mkdir -p a/b/c .hidden/.deep "with space" empty/empty
    head -c 300000 /dev/urandom > a/one.mp3
    head -c 5000 /dev/urandom > a/b/c/deep.wav
    echo dot > .hidden/.deep/.file
    printf x > "$(printf 'new\\nline.txt')"
    printf x > "$(printf 'bytes-\\377\\376.bin')"
    mkdir -p "$(printf 'dir-\\377')" && printf y > "$(printf 'dir-\\377')/in"
    printf x > "$(head -c 255 /dev/zero | tr '\\0' n)"
    : > "with space/nothing"
    truncate -s 10M sparse.bin
    printf data | dd of=sparse.bin bs=1 seek=5000000 conv=notrunc status=none
    mkfifo fifo
    /usr/bin/python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'
    ln -s /nowhere/at/all dangling
    ln -s "$1" link-to-victim
    ln -s "$1" a/b/link-to-victim
    head -c 70000 /dev/urandom > first-name
    ln first-name a/second-name
    printf x > ./-rf
  `;
  execFileSync('/bin/bash', ['-c', script, 'fill', victim], { cwd: directory, stdio: 'pipe' });
}
