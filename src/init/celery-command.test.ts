import { expect, test } from 'vitest';
import { celeryCommand } from './celery-command.ts';

test.each<[string | readonly string[], readonly string[]]>([
  ['celery -A app worker -Q a,b', ['a', 'b']],
  ['celery -A app worker --queues=a --loglevel=info', ['a']],
  ['celery -A app worker -Qa', ['a']],
  ['celery -A app worker', []],
  [
    ['celery', '-A', 'app', 'worker', '--queues', 'a, b'],
    ['a', 'b'],
  ],
  ['python -m celery -A app worker -Q a', ['a']],
  ['/venv/bin/celery --app app worker -Q "a"', ['a']],
  ['sh -c "sleep 2 && exec celery -A app worker -Q a; echo -Q no"', ['a']],
  [
    ['sh', '-c', 'celery -A app worker -Q a & celery -A app worker -Q b'],
    ['a', 'b'],
  ],
  ['celery -A app worker \\\n  -Q a', ['a']],
  ['watchmedo auto-restart -- celery -A app worker -Q a', ['a']],
])('%j', (command, queues) => {
  expect(celeryCommand(command)).toMatchObject({ worker: true, queues });
});

test('beat and flower are no workers, other programs nothing', () => {
  expect(celeryCommand('celery -A app beat')?.worker).toBe(false);
  expect(celeryCommand('celery -A app flower -Q x')?.queues).toEqual([]);
  expect(celeryCommand('uvicorn app:celery')).toBeUndefined();
  expect(celeryCommand('celery -A app -b redis://r/1 worker')?.broker).toBe('redis://r/1');
});
