import { expect, test } from 'vitest';
import { initJson, initText } from './init-text.ts';
import type { InitOutcome } from './initial-config.ts';
import { plainStyle } from './style.ts';

const OUTCOME: InitOutcome = {
  file: '/srv/cleanup.config.json',
  isFound: true,
  text: '{ "services": {} }\n',
  state: 'written',
  isTemplate: false,
  read: [{ path: '/srv/compose.yaml', kind: 'compose' }],
  services: [
    {
      name: 'app',
      from: ['compose.yaml: api, worker'],
      redis: '127.0.0.1:6379/0',
      broker: undefined,
      sources: [],
      entry: {
        redis: 'redis://:${REDIS_PASSWORD}@127.0.0.1:6379/0',
        celery: { queues: ['jobs'] },
        directories: ['uploads', { path: 'temp', keep: ['.gitkeep'] }],
      },
    },
  ],
  variables: [
    {
      ...{ name: 'REDIS_PASSWORD', services: ['app'], value: 'the password', stand: 'password' },
      envFile: undefined,
    },
  ],
  notes: [{ service: 'app', message: 'not proposed: ./src\u001b[2J' }],
  problems: [],
  envFiles: [],
  workingDirectory: '/srv',
};

test('what was found, what to look at, what to do next', () => {
  expect(initText(OUTCOME, plainStyle(Infinity))).toBe(`✔ compose   /srv/compose.yaml

app
  from     compose.yaml: api, worker
  redis    127.0.0.1:6379/0
  queue    jobs
  files    uploads, temp

⚠ app: not proposed: ./src\\x1b[2J

Passwords are not in the file. Set these wherever media-cleanup runs; cron reads no .env and no profile:
  REDIS_PASSWORD: the password (app)

✔ wrote /srv/cleanup.config.json

Next:
  media-cleanup doctor          connections, key prefixes, workers
  media-cleanup all --dry-run   what a wipe would remove
`);
});

test('a dry run, problems, and a file that must be named', () => {
  const text = initText(
    {
      ...OUTCOME,
      state: 'shown',
      isFound: false,
      file: "/srv/it's/x.json",
      read: [],
      problems: [{ path: 'services.app', message: 'nothing to wipe' }],
    },
    plainStyle(Infinity),
  );
  expect(text).toContain('no compose and no .env file found');
  expect(text).toContain(
    '1 problem to mend before it can be used:\n✖ services.app: nothing to wipe',
  );
  expect(text).toContain('was not written');
  expect(text).toContain("doctor --config '/srv/it'\\''s/x.json'");
});

test('as JSON', () => {
  expect(initJson({ ...OUTCOME, problems: undefined })).toMatchObject({
    version: 1,
    status: 'completed',
    written: true,
    valid: null,
    config: { services: {} },
    variables: [{ name: 'REDIS_PASSWORD', services: ['app'], value: 'the password' }],
    next_steps: ['media-cleanup doctor', 'media-cleanup all --dry-run'],
  });
});
