import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { CannotStart } from '../errors.ts';
import { loadConfig } from './load.ts';

const directory = mkdtempSync(join(tmpdir(), 'media-cleanup-config-'));
afterAll(() => rmSync(directory, { recursive: true }));

const PASSWORD = 'hunter2secret';
const REDIS = `redis://:${PASSWORD}@127.0.0.1:6379/3`;
const env = { URL: REDIS, EMPTY: '', WORD: PASSWORD };

/** The problems of a file as the command prints them; empty when it loads. */
function problemsOf(source: unknown): readonly string[] {
  const file = join(directory, 'cleanup.config.json');
  writeFileSync(file, typeof source === 'string' ? source : JSON.stringify(source));
  try {
    loadConfig({ file, env });
    return [];
  } catch (error) {
    if (!(error instanceof CannotStart)) throw error;
    expect(error.exitCode).toBe(2);
    const count = error.problems.length;
    expect(error.message).toBe(`${count} problem${count === 1 ? '' : 's'} in ${file}`);
    return error.problems.map(({ path, message }) => `${path}: ${message}`);
  }
}

const good = { redis: REDIS, keyPrefix: 'job:', celery: { queues: ['q'] }, directories: ['d'] };
const one = (service: object) => ({ services: { a: service } });
const changed = (change: object) => one({ ...good, ...change });
const two = (a: object, b: object) => ({
  services: { a: { ...good, ...a }, b: { ...good, ...b } },
});
const otherDb = { redis: 'redis://127.0.0.1/4' };

const FORMS =
  'must be a Redis URL (string), { "url", "tls" }, { "cluster": [url, …] } or { "sentinels": [url, …], "name", "db" }';
const NAME_RULE =
  'a service name is made of letters, digits, `.`, `_` and `-`, and begins with a letter or digit';
const CELERY_KEYS =
  "would match Celery's own keys (_kombu.binding.*, unacked*, celery-task-meta-*): give the full prefix of the jobs";
const TWO_DATABASES =
  "in the same Redis database, so one wipe would delete the other's jobs: give each service its own prefix or its own database";
const SERVICE_KEYS =
  'known keys are `redis`, `keyPrefix`, `indexKeys`, `foreignKeyPrefixes`, `timeZone`, `celery`, `root`, `directories`, `models`';
const TWO_OWNERS =
  "so a key could be this service's and another program's at once: make the two differ, or remove one";
const VARIABLE_FORM =
  'not a variable: write `${NAME}` or `${NAME:-default}`, with a name of letters, digits and `_`';
const DIRECTORY_FORMS =
  'must be a path (string) or an object { "path", "mustBeMounted", "marker", "keep", "optional" }';

const WRONG: readonly (readonly [name: string, config: unknown, problems: readonly string[]])[] = [
  ['empty file', '', ['1:1: the file is empty: it must hold a JSON object']],
  [
    'blank file with a byte order mark',
    '\uFEFF \n',
    ['1:1: the file is empty: it must hold a JSON object'],
  ],
  ['an array at the top', '[]', ['1:1: the file must hold a JSON object { … }, not an array']],
  ['a text at the top', '"redis"', ['1:1: the file must hold a JSON object { … }, not a string']],
  ['a number at the top', ' 12', ['1:2: the file must hold a JSON object { … }, not a number']],
  [
    'a trailing comma in an object',
    '{\n  "services": {},\n}',
    [
      '3:1: a key must follow the comma: remove a trailing comma, or put the key into double quotes',
    ],
  ],
  [
    'a trailing comma in an array',
    '{ "services": { "a": { "directories": ["x",] } } }',
    ['1:44: a value must follow the comma: remove the trailing comma'],
  ],
  ['a missing comma', '{\n  "services": {}\n  "x": 1\n}', ['3:3: a comma is missing before this']],
  [
    'a missing colon',
    '{ "services" {} }',
    ['1:14: a colon is expected between the key and its value'],
  ],
  [
    'a comment',
    '{ // services\n  "services": {} }',
    ['1:3: comments are not allowed in JSON: remove it'],
  ],
  [
    'a key without quotes',
    '{ services: {} }',
    ['1:3: not JSON: put keys and text into double quotes'],
  ],
  ['single quotes', "{ 'services': {} }", ['1:3: not JSON: put keys and text into double quotes']],
  [
    'an open text',
    '{ "services": "abc }',
    [
      '1:15: the closing double quote is missing on this line',
      '1:21: the file ends before its closing }',
    ],
  ],
  ['an open object', '{ "services": {\n', ['2:1: the file ends before its closing }']],
  ['an open array', '{ "services": [1, 2', ['1:20: the file ends before its closing ]']],
  [
    'a second object',
    '{ "services": {} } {}',
    ['1:20: nothing may follow the closing } of the file'],
  ],
  [
    'a bad escape',
    '{ "services": "C:\\media" }',
    ['1:15: not a JSON escape: write a backslash as \\\\'],
  ],
  [
    'a bad Unicode escape',
    '{ "services": "\\u12" }',
    ['1:15: not a Unicode escape: write \\u and four hexadecimal digits'],
  ],
  [
    'a raw tab in a text',
    '{ "services": "a\tb" }',
    ['1:15: a control character (a tab perhaps) inside a text: write it as \\t or \\u00XX'],
  ],
  ['a bare word', '{ "services": yes }', ['1:15: not JSON: put keys and text into double quotes']],
  ['a bad number', '{ "services": 1. }', ['1:15: not a JSON number: write it like 12 or 0.5']],
  [
    'two syntax errors on two lines',
    '{\n  "a": 1\n  "b": ,\n  "c": 2\n}',
    ['3:3: a comma is missing before this', '3:8: a value is expected here'],
  ],
  [
    'nested without end',
    '['.repeat(200_000),
    ['1:1: the JSON is nested too deeply to be a config'],
  ],
  [
    'nested in 3,000 arrays',
    `{ "services": { "a": ${'['.repeat(3000)}${']'.repeat(3000)} } }`,
    ['1:120: the JSON is nested too deeply to be a config'],
  ],
  [
    'nested in 3,000 objects',
    `{ "services": ${'{"a":'.repeat(3000)}1${'}'.repeat(3000)} }`,
    ['1:510: the JSON is nested too deeply to be a config'],
  ],
  [
    'duplicate keys',
    '{\n  "services": {},\n  "services": { "a": { "directories": ["d"], "directories": ["e"] } }\n}',
    [
      'services: duplicate key `services`, first at 2:3: keep one of the two (3:3)',
      'services.a.directories: duplicate key `directories`, first at 3:24: keep one of the two (3:46)',
    ],
  ],
  ['no services', {}, ['services: is missing: name at least one service (1:1)']],
  [
    'services empty',
    { services: {} },
    ['services: must not be empty: name at least one service (1:13)'],
  ],
  [
    'services an array',
    { services: [] },
    ['services: must be an object { … }, not an array (1:13)'],
  ],
  ['services null', { services: null }, ['services: must be an object { … }, not null (1:13)']],
  [
    'a misspelt services',
    { servces: {} },
    ['servces: unknown key `servces`: did you mean `services`? (1:2)'],
  ],
  [
    'an unknown key at the top',
    { ...one(good), zzz: 1 },
    ['zzz: unknown key `zzz`: known keys are `$schema`, `services` (1:136)'],
  ],
  [
    '$schema no text',
    { $schema: 1, ...one(good) },
    ['["$schema"]: must be a string, not a number (1:12)'],
  ],
  [
    'a service that is a text',
    one('redis' as unknown as object),
    ['services.a: must be an object { … }, not a string (1:18)'],
  ],
  [
    'a misspelt key',
    changed({ directorys: ['x'] }),
    ['services.a.directorys: unknown key `directorys`: did you mean `directories`? (1:134)'],
  ],
  [
    'a key in the wrong case',
    changed({ keyprefix: 'x' }),
    ['services.a.keyprefix: unknown key `keyprefix`: did you mean `keyPrefix`? (1:134)'],
  ],
  [
    'an unknown key',
    changed({ zzz: 1 }),
    [`services.a.zzz: unknown key \`zzz\`: ${SERVICE_KEYS} (1:134)`],
  ],
  [
    "a URL in a key's place",
    changed({ [REDIS]: 1 }),
    [`services.a["(hidden)"]: unknown key \`(hidden)\`: ${SERVICE_KEYS} (1:134)`],
  ],
  [
    'a key __proto__',
    '{ "services": { "a": { "directories": ["d"], "__proto__": 1 } } }',
    [`services.a.__proto__: unknown key \`__proto__\`: ${SERVICE_KEYS} (1:46)`],
  ],
  [
    'a service __proto__',
    '{ "services": { "__proto__": { "directories": ["d"] } } }',
    [`services.__proto__: ${NAME_RULE} (1:17)`],
  ],
  [
    'a reserved service name',
    { services: { all: good } },
    ['services.all: `all` is a word of the command line: give the service another name (1:14)'],
  ],
  [
    'a command as service name',
    { services: { stats: good } },
    ['services.stats: `stats` is a word of the command line: give the service another name (1:14)'],
  ],
  [
    'a service name with a blank',
    { services: { 'my service': { directories: 1 } } },
    [
      `services["my service"]: ${NAME_RULE} (1:14)`,
      'services["my service"].directories: must be an array [ … ], not a number (1:42)',
    ],
  ],
  [
    'a service name like a flag',
    { services: { '-x': good } },
    [`services.-x: ${NAME_RULE} (1:14)`],
  ],
  ['an empty service name', { services: { '': good } }, [`services[""]: ${NAME_RULE} (1:14)`]],
  [
    'nothing to wipe',
    one({}),
    ['services.a: nothing to wipe: add `redis`, `directories` or `models` (1:14)'],
  ],
  [
    'nothing to wipe, but a root',
    one({ root: 'x', directories: [] }),
    ['services.a: nothing to wipe: add `redis`, `directories` or `models` (1:14)'],
  ],
  [
    'prefix without Redis',
    one({ keyPrefix: 'job:', directories: ['d'] }),
    [
      'services.a.keyPrefix: needs `redis` beside it: add the URL of the Redis that holds the jobs (1:19)',
    ],
  ],
  [
    'Celery without Redis',
    one({ celery: { queues: ['q'] }, directories: ['d'] }),
    ['services.a.celery: needs a Redis: add `redis` to the service, or `broker` here (1:19)'],
  ],
  ['redis a number', changed({ redis: 6379 }), [`services.a.redis: ${FORMS} (1:27)`]],
  ['redis null', changed({ redis: null }), [`services.a.redis: ${FORMS} (1:27)`]],
  ['redis an array', changed({ redis: [REDIS] }), [`services.a.redis: ${FORMS} (1:27)`]],
  [
    'redis in a form that is none',
    changed({ redis: { host: 'h', port: 1 } }),
    [`services.a.redis: ${FORMS} (1:27)`],
  ],
  [
    'redis in two forms',
    changed({ redis: { url: REDIS, cluster: [REDIS] } }),
    [`services.a.redis: names \`url\` and \`cluster\`: keep one; it ${FORMS} (1:27)`],
  ],
  [
    'redis with a misspelt url',
    changed({ redis: { urll: REDIS } }),
    ['services.a.redis.urll: unknown key `urll`: did you mean `url`? (1:28)'],
  ],
  [
    'redis with an unknown key',
    changed({ redis: { url: REDIS, password: PASSWORD } }),
    ['services.a.redis.password: unknown key `password`: known keys are `url`, `tls` (1:76)'],
  ],
  [
    'redis with a url of the wrong type',
    changed({ redis: { url: 1 } }),
    ['services.a.redis.url: must be a string, not a number (1:34)'],
  ],
  [
    'another scheme',
    changed({ redis: `http://:${PASSWORD}@h` }),
    [
      'services.a.redis: the Redis URL must begin with redis://, rediss://, valkey://, valkeys://, unix:// or redis+socket:// (1:27)',
    ],
  ],
  [
    'an unescaped ? in the password',
    changed({ redis: `redis://user:12?${PASSWORD}@h/0` }),
    [
      'services.a.redis: the Redis URL has an unknown parameter (known: db, virtual_host, ssl_cert_reqs, ssl_ca_certs, ssl_certfile, ssl_keyfile, ssl_check_hostname, and redis-py’s timeouts; a "?" in the password is written %3F) (1:27)',
    ],
  ],
  [
    'an unescaped / in the password',
    changed({ redis: `redis://user:12/${PASSWORD}@h/0` }),
    [
      'services.a.redis: the Redis URL names a database that is no number: it must end in /0, /1, … (1:27)',
    ],
  ],
  [
    'an unescaped # in the password',
    changed({ redis: `redis://user:12#${PASSWORD}@h/0` }),
    ['services.a.redis: the Redis URL has a "#": write it as %23 in the password (1:27)'],
  ],
  [
    'an unescaped % in the password',
    changed({ redis: `redis://:%${PASSWORD}@h/0` }),
    [
      'services.a.redis: the Redis URL has a "%" that is no percent-encoding: write it as %25 (1:27)',
    ],
  ],
  [
    'a database that is no number',
    changed({ redis: 'redis://h/zero' }),
    [
      'services.a.redis: the Redis URL names a database that is no number: it must end in /0, /1, … (1:27)',
    ],
  ],
  [
    'tls beside redis://',
    changed({ redis: { url: REDIS, tls: {} } }),
    [
      'services.a.redis.tls: needs a URL that begins with rediss://: change it, or remove `tls` (1:82)',
    ],
  ],
  [
    'tls with a misspelt key',
    changed({ redis: { url: 'rediss://h', tls: { cafile: 'x' } } }),
    [
      'services.a.redis.tls.cafile: unknown key `cafile`: known keys are `ca`, `cert`, `key`, `servername`, `verify` (1:54)',
    ],
  ],
  [
    'tls with a file that is not there',
    changed({ redis: { url: 'rediss://h', tls: { ca: 'no/ca.pem' } } }),
    [
      'services.a.redis.tls.ca: there is no such file (a relative path begins at the directory of this config file) (1:59)',
    ],
  ],
  [
    'tls with a directory',
    changed({ redis: { url: 'rediss://h', tls: { ca: '.' } } }),
    ['services.a.redis.tls.ca: is a directory: give a PEM file (1:59)'],
  ],
  [
    'tls with an empty file and server name',
    changed({ redis: { url: 'rediss://h', tls: { ca: '', servername: '' } } }),
    [
      'services.a.redis.tls.ca: must not be empty: give a PEM file (1:59)',
      'services.a.redis.tls.servername: must not be empty: give a host name, or remove it (1:75)',
    ],
  ],
  [
    'tls with a certificate and no key',
    changed({ redis: { url: 'rediss://h', tls: { cert: 'cleanup.config.json' } } }),
    ['services.a.redis.tls.cert: needs `key` beside it (1:61)'],
  ],
  [
    'a cluster without nodes',
    changed({ redis: { cluster: [] } }),
    ['services.a.redis.cluster: must not be empty: list at least one URL (1:38)'],
  ],
  [
    'a cluster that is no array',
    changed({ redis: { cluster: REDIS } }),
    ['services.a.redis.cluster: must be an array [ … ], not a string (1:38)'],
  ],
  [
    'a cluster with a database',
    changed({ redis: { cluster: ['redis://h', 'redis://h2/1'] } }),
    [
      'services.a.redis.cluster[1]: a cluster has database 0 only: remove the database from the URL (1:51)',
    ],
  ],
  [
    'a cluster half with TLS',
    changed({ redis: { cluster: ['redis://h', 'rediss://h2'] } }),
    ['services.a.redis.cluster[1]: must be rediss:// for all URLs of the list or for none (1:51)'],
  ],
  [
    'a cluster with two passwords',
    changed({ redis: { cluster: [`redis://:${PASSWORD}@h`, 'redis://h2'] } }),
    [
      'services.a.redis.cluster[1]: must have the same user and password as the first URL of the list (1:66)',
    ],
  ],
  [
    'a cluster with a socket',
    changed({ redis: { cluster: ['unix:///run/redis.sock'] } }),
    ['services.a.redis.cluster[0]: must be a redis:// or rediss:// URL here, not a socket (1:39)'],
  ],
  [
    'a URL of sentinels alone',
    changed({ redis: `sentinel://:${PASSWORD}@a:26379;sentinel://b:26379/0` }),
    [
      'services.a.redis: the Redis URL names sentinels and no master: write { "sentinels": "sentinel://…", "name": "mymaster" }, with the `master_name` of Celery’s transport options (1:27)',
    ],
  ],
  [
    'a URL of sentinels as the URL of a server',
    changed({ redis: { url: 'sentinel://a' } }),
    [
      'services.a.redis.url: the Redis URL names sentinels and no master: write { "sentinels": "sentinel://…", "name": "mymaster" }, with the `master_name` of Celery’s transport options (1:34)',
    ],
  ],
  [
    'a database in the second URL of sentinels, which Celery does not read',
    changed({ redis: { sentinels: 'sentinel://a;sentinel://b/3', name: 'm' } }),
    [
      'services.a.redis.sentinels: names another database than the first URL of the list, whose database Celery uses (0 where it names none): write the same in both (1:40)',
    ],
  ],
  [
    'sentinels with two databases, and a user without a password',
    changed({
      redis: { sentinels: 'sentinel://a/3', name: 'm', db: 2, sentinelUsername: 'u' },
    }),
    [
      'services.a.redis.db: is another database than that of the URL: keep one (1:73)',
      'services.a.redis.sentinelUsername: needs `sentinelPassword` beside it (1:94)',
    ],
  ],
  [
    'sentinels with two passwords',
    changed({
      redis: {
        sentinels: [`sentinel://:${PASSWORD}@a`, `sentinel://:other@b`],
        name: 'm',
        sentinelPassword: '',
      },
    }),
    [
      'services.a.redis.sentinels[1]: must have the same user and password as the first URL of the list (1:71)',
      'services.a.redis.sentinelPassword: must not be empty: remove it, or give it (1:124)',
    ],
  ],
  [
    'sentinels of the wrong type',
    changed({ redis: { sentinels: 1, name: 'm' } }),
    ['services.a.redis.sentinels: must be a string or an array of strings (1:40)'],
  ],
  [
    'TLS options of a URL beside those of the key',
    changed({
      redis: {
        url: 'rediss://h?ssl_cert_reqs=required&ssl_ca_certs=no.pem',
        tls: { verify: false },
      },
    }),
    [
      'services.a.redis.url: ssl_ca_certs of the Redis URL: there is no such file (a relative path begins at the directory of this config file) (1:34)',
      'services.a.redis.tls.verify: differs from the TLS options of the URL: keep one (1:106)',
    ],
  ],
  [
    'a client certificate of a URL without its key',
    changed({ redis: 'rediss://h?ssl_certfile=cleanup.config.json' }),
    ['services.a.redis: ssl_certfile of the Redis URL needs ssl_keyfile beside it (1:27)'],
  ],
  [
    'sentinels without a name',
    changed({ redis: { sentinels: ['redis://h'] } }),
    [
      'services.a.redis.name: is missing: give the name of the master that the sentinels watch (1:27)',
    ],
  ],
  [
    'sentinels with an empty name and a database',
    changed({ redis: { sentinels: ['redis://h/2'], name: '' } }),
    [
      "services.a.redis.sentinels[0]: a sentinel has no databases: write the server's database as `db` (1:41)",
      'services.a.redis.name: must not be empty: give the name of the master that the sentinels watch (1:63)',
    ],
  ],
  [
    'a database below 0',
    changed({ redis: { sentinels: ['redis://h'], name: 'm', db: -1 } }),
    ['services.a.redis.db: must be a whole number, 0 or more (1:70)'],
  ],
  [
    'half a database',
    changed({ redis: { sentinels: ['redis://h'], name: 'm', db: 0.5 } }),
    ['services.a.redis.db: must be a whole number, 0 or more, not a fraction (1:70)'],
  ],
  [
    'an empty prefix',
    changed({ keyPrefix: '' }),
    ['services.a.keyPrefix: must not be empty: it would match every key of the database (1:81)'],
  ],
  [
    'no index key',
    changed({ indexKeys: [] }),
    [
      'services.a.indexKeys: must not be empty: give at least one name, or remove `indexKeys` (1:146)',
    ],
  ],
  [
    'index keys that match every key',
    changed({ indexKeys: ['**', '[a-z]*?', '  '] }),
    [
      'services.a.indexKeys[0]: would match every key: give the name of a key that lists jobs, or a pattern with some of its name (1:147)',
      'services.a.indexKeys[1]: would match every key: give the name of a key that lists jobs, or a pattern with some of its name (1:152)',
      'services.a.indexKeys[2]: must not be empty: give the name of a key that lists jobs (1:162)',
    ],
  ],
  [
    'index keys of Celery',
    changed({ indexKeys: ['un*', '*-meta-*', 'q*'] }),
    [
      "services.a.indexKeys[0]: would match Celery's own keys (_kombu.binding.*, unacked*, celery-task-meta-*): give more of the name (1:147)",
      "services.a.indexKeys[1]: would match Celery's own keys (_kombu.binding.*, unacked*, celery-task-meta-*): give more of the name (1:153)",
      'services.a.indexKeys[2]: would match the queue services.a.celery.queues[0]: give another name (1:164)',
    ],
  ],
  [
    'index keys without Redis',
    one({ indexKeys: 'jobs:list', directories: ['d'] }),
    [
      'services.a.indexKeys: needs `redis` beside it: add the URL of the Redis that holds the jobs (1:19)',
    ],
  ],
  [
    'a blank prefix among others',
    changed({ keyPrefix: ['job:', ' ', ''] }),
    [
      'services.a.keyPrefix[1]: must not be blank: give the text that every job key begins with (1:89)',
      'services.a.keyPrefix[2]: must not be empty: it would match every key of the database (1:93)',
    ],
  ],
  [
    'a prefix that is a number',
    changed({ keyPrefix: 1 }),
    ['services.a.keyPrefix: must be a string or an array of strings (1:81)'],
  ],
  [
    'a prefix in the array that is a number',
    changed({ keyPrefix: ['job:', 1] }),
    ['services.a.keyPrefix[1]: must be a string, not a number (1:89)'],
  ],
  [
    'the same prefix twice',
    changed({ keyPrefix: ['job:', 'x:', 'job:'] }),
    [
      'services.a.keyPrefix[2]: is the same as services.a.keyPrefix[0]: remove one of the two (1:94)',
    ],
  ],
  [
    'keep patterns that would not keep what they say',
    changed({ directories: [{ path: 'd', keep: ['!secret', '*.{txt', 'a)', 'ok-[ab]'] }] }),
    [
      'services.a.directories[0].keep[0]: must not begin with `!`: each pattern says what stays; remove it, or escape it as `\\!` (1:149)',
      'services.a.directories[0].keep[1]: has a bracket without its partner, so it would keep nothing: close it, or escape it with `\\` (1:159)',
      'services.a.directories[0].keep[2]: has a bracket without its partner, so it would keep nothing: close it, or escape it with `\\` (1:168)',
    ],
  ],
  [
    'a prefix that is a pattern for every key',
    changed({ keyPrefix: ['*', 'job:*', '?'] }),
    ['services.a.keyPrefix[0]', 'services.a.keyPrefix[2]'].map(
      (path, index) =>
        `${path}: is no pattern but the literal beginning of a key: as a pattern it would match every key; give the text that every job key begins with (1:${index === 0 ? 82 : 94})`,
    ),
  ],
  [
    'a prefix with a control character',
    changed({ keyPrefix: 'job\n' }),
    ['services.a.keyPrefix: holds a control character: remove it (1:81)'],
  ],
  [
    'a prefix of the bindings',
    changed({ keyPrefix: '_kombu' }),
    [`services.a.keyPrefix: ${CELERY_KEYS} (1:81)`],
  ],
  [
    'a prefix inside the bindings',
    changed({ keyPrefix: '_kombu.binding.x' }),
    [`services.a.keyPrefix: ${CELERY_KEYS} (1:81)`],
  ],
  [
    'a prefix of unacked',
    changed({ keyPrefix: 'un' }),
    [`services.a.keyPrefix: ${CELERY_KEYS} (1:81)`],
  ],
  [
    'a prefix of the results',
    changed({ keyPrefix: 'celery-task-meta-' }),
    [`services.a.keyPrefix: ${CELERY_KEYS} (1:81)`],
  ],
  [
    'a prefix of the global prefix',
    changed({ keyPrefix: 'app:', celery: { queues: ['q'], globalKeyPrefix: 'app:' } }),
    [
      `services.a.keyPrefix: ${CELERY_KEYS} (1:81)`,
      'services.a.keyPrefix: would match the queue services.a.celery.queues[0] in the same Redis database: give the full prefix of the jobs (1:81)',
    ],
  ],
  [
    'a prefix that a queue begins with',
    changed({ keyPrefix: 'audio', celery: { queues: ['audio_queue'] } }),
    [
      'services.a.keyPrefix: would match the queue services.a.celery.queues[0] in the same Redis database: give the full prefix of the jobs (1:81)',
    ],
  ],
  [
    "a prefix that another service's queue begins with",
    two({ keyPrefix: 'audio' }, { keyPrefix: 'video:', celery: { queues: ['audio_queue'] } }),
    [
      'services.a.keyPrefix: would match the queue services.b.celery.queues[0] in the same Redis database: give the full prefix of the jobs (1:81)',
    ],
  ],
  [
    'queues missing',
    changed({ celery: {} }),
    [
      'services.a.celery.queues: is missing: list the queues of the service, e.g. ["my_queue"] (1:97)',
    ],
  ],
  [
    'queues empty',
    changed({ celery: { queues: [] } }),
    ['services.a.celery.queues: must not be empty: list the queues of the service (1:107)'],
  ],
  [
    'queues a text',
    changed({ celery: { queues: 'q' } }),
    ['services.a.celery.queues: must be an array [ … ], not a string (1:107)'],
  ],
  [
    'an empty queue',
    changed({ celery: { queues: ['', ' '] } }),
    [
      'services.a.celery.queues[0]: must not be empty: give the name of a queue (1:108)',
      'services.a.celery.queues[1]: must not be empty: give the name of a queue (1:111)',
    ],
  ],
  [
    'the same queue twice',
    changed({ celery: { queues: ['q', 'q'] } }),
    [
      'services.a.celery.queues[1]: is the same as services.a.celery.queues[0]: remove one of the two (1:112)',
    ],
  ],
  [
    'a queue of Celery itself',
    changed({ celery: { queues: ['unacked', '_kombu.binding.x', 'unacked_index'] } }),
    [
      'services.a.celery.queues[0]: is a name of Celery itself, not of a queue: give the name of a queue (1:108)',
      'services.a.celery.queues[1]: is a name of Celery itself, not of a queue: give the name of a queue (1:118)',
      'services.a.celery.queues[2]: is a name of Celery itself, not of a queue: give the name of a queue (1:137)',
    ],
  ],
  [
    'a misspelt results',
    changed({ celery: { queues: ['q'], results: 'al' } }),
    ['services.a.celery.results: must be `own`, `all` or `none`: did you mean `all`? (1:123)'],
  ],
  [
    'results a password',
    changed({ celery: { queues: ['q'], results: PASSWORD } }),
    ['services.a.celery.results: must be `own`, `all` or `none` (1:123)'],
  ],
  [
    'a broker that is no Redis',
    changed({ celery: { queues: ['q'], broker: `amqp://u:${PASSWORD}@h` } }),
    [
      'services.a.celery.broker: the Redis URL must begin with redis://, rediss://, valkey://, valkeys://, unix:// or redis+socket:// (1:122)',
    ],
  ],
  [
    'a broker that is a number',
    changed({ celery: { queues: ['q'], broker: 1 } }),
    [`services.a.celery.broker: ${FORMS} (1:122)`],
  ],
  [
    'a misspelt key of celery',
    changed({ celery: { queue: ['q'] } }),
    ['services.a.celery.queue: unknown key `queue`: did you mean `queues`? (1:98)'],
  ],
  [
    'global prefix null',
    changed({ celery: { queues: ['q'], globalKeyPrefix: null } }),
    ['services.a.celery.globalKeyPrefix: must be a string, not null (1:131)'],
  ],
  [
    'empty names of the app',
    changed({
      celery: {
        queues: ['q'],
        separator: '',
        unackedKey: '',
        fanoutPrefix: '',
        controlExchange: '',
      },
    }),
    [
      'services.a.celery.separator: must not be empty: give the separator, or remove it (1:125)',
      "services.a.celery.unackedKey: must not be empty: give the hash's name, or remove it (1:141)",
      'services.a.celery.fanoutPrefix: must not be empty: for no prefix write false (1:159)',
      "services.a.celery.controlExchange: must not be empty: give the exchange's name, or remove it (1:180)",
    ],
  ],
  [
    'a fanout prefix that is true',
    changed({ celery: { queues: ['q'], fanoutPrefix: true } }),
    [
      'services.a.celery.fanoutPrefix: must be the text that `fanout_prefix` is set to, such as "/{db}.", or false (1:128)',
    ],
  ],
  [
    'one name for in-flight messages and their index',
    changed({ celery: { queues: ['q'], unackedKey: 'taken', unackedIndexKey: 'taken' } }),
    [
      'services.a.celery.unackedKey: is the name of the index too: give the name of the hash (1:126)',
    ],
  ],
  [
    "a prefix of the app's own name of in-flight messages",
    changed({
      keyPrefix: 'a:job:',
      celery: { queues: ['q'], globalKeyPrefix: 'a:', unackedKey: 'job:taken' },
    }),
    [`services.a.keyPrefix: ${CELERY_KEYS} (1:81)`],
  ],
  [
    'an empty root',
    changed({ root: '' }),
    ['services.a.root: must not be empty: give the path of a directory (1:141)'],
  ],
  [
    'a root below ~',
    changed({ root: '~/media' }),
    ['services.a.root: `~` has no meaning here: write the path in full (1:141)'],
  ],
  [
    'directories a text',
    changed({ directories: 'uploads' }),
    ['services.a.directories: must be an array [ … ], not a string (1:128)'],
  ],
  [
    'an empty directory',
    changed({ directories: ['', ' '] }),
    [
      'services.a.directories[0]: must not be empty: give the path of a directory (1:129)',
      'services.a.directories[1]: must not be empty: give the path of a directory (1:132)',
    ],
  ],
  [
    'a directory that is a number',
    changed({ directories: [1, null] }),
    [
      `services.a.directories[0]: ${DIRECTORY_FORMS} (1:129)`,
      `services.a.directories[1]: ${DIRECTORY_FORMS} (1:131)`,
    ],
  ],
  [
    'a directory with a NUL',
    changed({ directories: ['a\0b'] }),
    ['services.a.directories[0]: holds a NUL character, which no path has: remove it (1:129)'],
  ],
  [
    'a directory twice',
    changed({ directories: ['d', './d/'], models: [{ path: 'x/../d' }] }),
    [
      'services.a.directories[1]: is the same directory as services.a.directories[0]: remove one of the two (1:133)',
      'services.a.models[0].path: is the same directory as services.a.directories[0]: remove one of the two (1:159)',
    ],
  ],
  [
    'a directory without a path',
    changed({ directories: [{ keep: [] }] }),
    [
      'services.a.directories[0].path: is missing: give the path or glob pattern of the directory (1:129)',
    ],
  ],
  [
    'a directory with a misspelt path',
    changed({ directories: [{ paths: 'x' }] }),
    ['services.a.directories[0].paths: unknown key `paths`: did you mean `path`? (1:130)'],
  ],
  [
    'a directory with an unknown key',
    changed({ models: [{ path: 'm', mustbemounted: true }] }),
    [
      'services.a.models[0].mustbemounted: unknown key `mustbemounted`: did you mean `mustBeMounted`? (1:156)',
    ],
  ],
  [
    'mustBeMounted a text',
    changed({ directories: [{ path: 'x', mustBeMounted: 'yes' }] }),
    ['services.a.directories[0].mustBeMounted: must be true or false, not a string (1:157)'],
  ],
  [
    'a marker with a slash',
    changed({
      directories: [
        { path: 'x', marker: 'a/b' },
        { path: 'y', marker: '..' },
      ],
    }),
    [
      'services.a.directories[0].marker: must be the plain name of a file in the directory, without `/` (1:150)',
      'services.a.directories[1].marker: must be the plain name of a file in the directory, without `/` (1:178)',
    ],
  ],
  [
    'an empty marker',
    changed({ directories: [{ path: 'x', marker: '' }] }),
    [
      'services.a.directories[0].marker: must be the plain name of a file in the directory, without `/` (1:150)',
    ],
  ],
  [
    'wrong keep patterns',
    changed({ directories: [{ path: 'x', keep: ['', '/abs', 'a/../b', 1, 'ok'] }] }),
    [
      'services.a.directories[0].keep[0]: must not be empty: give a pattern, or remove it (1:149)',
      'services.a.directories[0].keep[1]: must be relative to the directory: remove the leading `/` (1:152)',
      'services.a.directories[0].keep[2]: must not hold `..`: only what is inside the directory can be kept (1:159)',
      'services.a.directories[0].keep[3]: must be a string, not a number (1:168)',
    ],
  ],
  [
    'a variable that is not set',
    changed({ redis: '${NOWHERE}' }),
    [
      'services.a.redis: the variable `NOWHERE` is not set: set it, or name the env file that has it with --env-file (1:27)',
    ],
  ],
  [
    'a variable that is empty',
    changed({ root: '${EMPTY}/x' }),
    [
      'services.a.root: the variable `EMPTY` is empty: set it, or name the env file that has it with --env-file (1:141)',
    ],
  ],
  [
    'an open variable',
    changed({ root: '${URL' }),
    ['services.a.root: `${` has no closing `}`: write `${NAME}` or `${NAME:-default}` (1:141)'],
  ],
  [
    'a variable without a name',
    changed({ root: '${}', keyPrefix: '${1A}', directories: ['${A-b}'] }),
    [
      `services.a.keyPrefix: ${VARIABLE_FORM} (1:81)`,
      `services.a.directories[0]: ${VARIABLE_FORM} (1:130)`,
      `services.a.root: ${VARIABLE_FORM} (1:147)`,
    ],
  ],
  [
    'a variable in a default',
    changed({ root: '${NOWHERE:-${URL}}' }),
    [
      'services.a.root: the default of `NOWHERE` holds another variable: write it as plain text (1:141)',
    ],
  ],
  [
    'two variables in one text',
    changed({ directories: ['${ONE}/${TWO}/${ONE}'] }),
    [
      'services.a.directories[0]: the variable `ONE` is not set: set it, or name the env file that has it with --env-file (1:129)',
      'services.a.directories[0]: the variable `TWO` is not set: set it, or name the env file that has it with --env-file (1:129)',
    ],
  ],
  [
    'a wrong value out of a variable',
    changed({ redis: '${WORD}', celery: { queues: ['q'], results: '${WORD}' } }),
    [
      'services.a.redis: the Redis URL must begin with redis://, rediss://, valkey://, valkeys://, unix:// or redis+socket:// (1:27)',
      'services.a.celery.results: must be `own`, `all` or `none` (1:91)',
    ],
  ],
  [
    'a variable hides no other problem',
    changed({ keyPrefix: '${NOWHERE}', directorys: ['${ELSEWHERE}'], models: [''] }),
    [
      'services.a.keyPrefix: the variable `NOWHERE` is not set: set it, or name the env file that has it with --env-file (1:81)',
      'services.a.directorys: unknown key `directorys`: did you mean `directories`? (1:140)',
      'services.a.directorys[0]: the variable `ELSEWHERE` is not set: set it, or name the env file that has it with --env-file (1:154)',
      'services.a.models[0]: must not be empty: give the path of a directory (1:180)',
    ],
  ],
  [
    'the same prefix in two services',
    two({}, { celery: { queues: ['q2'] } }),
    [`services.b.keyPrefix: is the same as services.a.keyPrefix ${TWO_DATABASES} (1:202)`],
  ],
  [
    "a prefix that begins another's",
    two({ keyPrefix: ['x:', 'job:audio:'] }, { celery: { queues: ['q2'] } }),
    [`services.b.keyPrefix: is the beginning of services.a.keyPrefix[1] ${TWO_DATABASES} (1:215)`],
  ],
  [
    "a prefix that begins with another's",
    two({}, { keyPrefix: 'job:video:', celery: { queues: ['q2'] } }),
    [`services.b.keyPrefix: begins with services.a.keyPrefix ${TWO_DATABASES} (1:202)`],
  ],
  [
    'the same database under two names',
    two({ redis: 'redis://localhost:6379/3' }, { celery: { queues: ['q2'] } }),
    [`services.b.keyPrefix: is the same as services.a.keyPrefix ${TWO_DATABASES} (1:187)`],
  ],
  [
    'the same queue on the same broker',
    two({}, { ...otherDb, celery: { queues: ['x', 'q'], broker: '${URL}' } }),
    [
      'services.b.celery.queues[1]: is the same queue as services.a.celery.queues[0] on the same broker: list it under one service only (1:213)',
    ],
  ],
  [
    'foreign prefixes that overlap with own ones',
    changed({ keyPrefix: ['job:', 'x:y:'], foreignKeyPrefixes: ['job:', 'job:z', 'x:', 'z:'] }),
    [
      `services.a.foreignKeyPrefixes[0]: is the same as services.a.keyPrefix[0], ${TWO_OWNERS} (1:165)`,
      `services.a.foreignKeyPrefixes[1]: begins with services.a.keyPrefix[0], ${TWO_OWNERS} (1:172)`,
      `services.a.foreignKeyPrefixes[2]: is the beginning of services.a.keyPrefix[1], ${TWO_OWNERS} (1:180)`,
    ],
  ],
  [
    'a foreign prefix that overlaps with the own one',
    changed({ foreignKeyPrefixes: 'jo' }),
    [
      `services.a.foreignKeyPrefixes: is the beginning of services.a.keyPrefix, ${TWO_OWNERS} (1:155)`,
    ],
  ],
  [
    'an empty foreign prefix',
    changed({ foreignKeyPrefixes: '' }),
    [
      'services.a.foreignKeyPrefixes: must not be empty: it would match every key of the database (1:155)',
    ],
  ],
  [
    'no foreign prefixes',
    changed({ foreignKeyPrefixes: [] }),
    [
      'services.a.foreignKeyPrefixes: must not be empty: give at least one prefix, or remove `foreignKeyPrefixes` (1:155)',
    ],
  ],
  [
    'wrong foreign prefixes',
    changed({ foreignKeyPrefixes: [' ', '*', 'x\n', 'y', 'y', 1] }),
    [
      "services.a.foreignKeyPrefixes[0]: must not be blank: give the text that the other program's keys begin with (1:156)",
      "services.a.foreignKeyPrefixes[1]: is no pattern but the literal beginning of a key: as a pattern it would match every key; give the text that the other program's keys begin with (1:160)",
      'services.a.foreignKeyPrefixes[2]: holds a control character: remove it (1:164)',
      'services.a.foreignKeyPrefixes[4]: is the same as services.a.foreignKeyPrefixes[3]: remove one of the two (1:174)',
      'services.a.foreignKeyPrefixes[5]: must be a string, not a number (1:178)',
    ],
  ],
  [
    'foreign prefixes in an object',
    changed({ foreignKeyPrefixes: { prefix: 'x' } }),
    ['services.a.foreignKeyPrefixes: must be a string or an array of strings (1:155)'],
  ],
  [
    'a misspelt time zone',
    changed({ timeZone: 'Europe/Berln' }),
    ['services.a.timeZone: is no IANA time zone: did you mean `Europe/Berlin`? (1:145)'],
  ],
  [
    'a city alone',
    changed({ timeZone: 'New_York' }),
    ['services.a.timeZone: is no IANA time zone: did you mean `America/New_York`? (1:145)'],
  ],
  [
    'an offset as time zone',
    changed({ timeZone: '+02:00' }),
    ['services.a.timeZone: is no IANA time zone: give one like `Europe/Berlin`, or `UTC` (1:145)'],
  ],
  [
    'a time zone out of a variable that holds something else',
    changed({ timeZone: '${WORD}' }),
    ['services.a.timeZone: is no IANA time zone: give one like `Europe/Berlin`, or `UTC` (1:145)'],
  ],
  [
    'an empty time zone',
    changed({ timeZone: '' }),
    ['services.a.timeZone: must not be empty: give an IANA time zone, or remove it (1:145)'],
  ],
  [
    'a time zone that is no text, and one without its variable',
    two({ timeZone: 1 }, { ...otherDb, timeZone: '${NOWHERE}', celery: { queues: ['q2'] } }),
    [
      'services.a.timeZone: must be a string, not a number (1:145)',
      'services.b.timeZone: the variable `NOWHERE` is not set: set it, or name the env file that has it with --env-file (1:260)',
    ],
  ],
  [
    'all results of a shared database',
    two(
      { celery: { queues: ['q'], results: 'all' } },
      { keyPrefix: 'video:', celery: { queues: ['q2'] } },
    ),
    [
      'services.a.celery.results: `all` would delete the results of services.b too, which uses the same Redis database: write `own` (1:123)',
    ],
  ],
  [
    'six problems of different kinds',
    '{\n  "services": {\n    "all": { "directories": ["d"] },\n    "a": {\n      "redis": "${NOWHERE}",\n      "keyPrefix": "",\n      "celery": { "queues": [], "results": "owned" },\n      "directorys": ["uploads"],\n      "models": [{ "path": "m", "keep": ["../x"] }]\n    }\n  }\n}',
    [
      'services.all: `all` is a word of the command line: give the service another name (3:5)',
      'services.a.redis: the variable `NOWHERE` is not set: set it, or name the env file that has it with --env-file (5:16)',
      'services.a.keyPrefix: must not be empty: it would match every key of the database (6:20)',
      'services.a.celery.queues: must not be empty: list the queues of the service (7:29)',
      'services.a.celery.results: must be `own`, `all` or `none`: did you mean `own`? (7:44)',
      'services.a.directorys: unknown key `directorys`: did you mean `directories`? (8:7)',
      'services.a.models[0].keep[0]: must not hold `..`: only what is inside the directory can be kept (9:42)',
    ],
  ],
];

describe('each wrong config, with its exact problems', () => {
  test.each(WRONG)('%s', (_name, config, problems) => {
    expect(problemsOf(config)).toEqual(problems);
    expect(problemsOf(config).join('\n')).not.toContain(PASSWORD);
    expect(problemsOf(config).join('\n')).not.toMatch(/redis:\/\/\S*[@\d]/);
  });

  test('there are at least 50', () => expect(WRONG.length).toBeGreaterThanOrEqual(50));
});

test('the config that the table changes is right', () => {
  expect(problemsOf(one(good))).toEqual([]);
  expect(problemsOf(two({}, { ...otherDb, keyPrefix: 'job:' }))).toEqual([]);
});
