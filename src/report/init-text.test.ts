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
      source: 'REDIS_PASSWORD of .env, percent-encoded',
      envFile: undefined,
    },
    {
      ...{ name: 'MEDIA_URL', services: ['app'], value: '', stand: '', source: '' },
      envFile: '/srv/a.env',
    },
  ],
  notes: [{ service: 'app', message: 'not proposed: ./src\u001b[2J' }],
  problems: [],
  envFiles: ['/srv/a.env'],
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

Passwords are not in the config: name the env files with --env-file wherever media-cleanup runs, in cron too.
  MEDIA_URL: set in a.env (app)
Put these into a file that only you may read, media-cleanup.env here (chmod 600), with the value in place of <...>:
  REDIS_PASSWORD=<REDIS_PASSWORD of .env, percent-encoded>
Percent-encoded: % as %25, then @ as %40, : as %3A, / as %2F, # as %23, ? as %3F, $ as %24, a space as %20.

✔ wrote /srv/cleanup.config.json

Next:
  media-cleanup doctor --env-file a.env --env-file media-cleanup.env          connections, key prefixes, workers
  media-cleanup all --dry-run --env-file a.env --env-file media-cleanup.env   what a wipe would remove
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
    variables: [
      {
        name: 'REDIS_PASSWORD',
        value: 'the password',
        source: 'REDIS_PASSWORD of .env, percent-encoded',
      },
      { name: 'MEDIA_URL', env_file: '/srv/a.env' },
    ],
    next_steps: [
      'media-cleanup doctor --env-file a.env --env-file media-cleanup.env',
      'media-cleanup all --dry-run --env-file a.env --env-file media-cleanup.env',
    ],
  });
});
