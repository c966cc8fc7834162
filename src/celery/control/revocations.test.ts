import { expect, test } from 'vitest';
import type { Mailbox, Sent } from '../mailbox.ts';
import { createRevocations } from './revocations.ts';

interface Told {
  readonly ids: readonly string[];
  readonly to: readonly string[] | undefined;
}

/** @param answer what a worker replies to a message; undefined: nothing. */
function mailboxWith(answer: (ids: readonly string[], worker: string) => object | undefined) {
  const told: Told[] = [];
  const mailbox = {
    async send(_method: string, args: Record<string, unknown>, to?: readonly string[]) {
      const ids = args['task_id'] as readonly string[];
      told.push({ ids, to });
      const replies = new Map(
        (to ?? []).flatMap((worker) => {
          const reply = answer(ids, worker);
          return reply === undefined ? [] : [[worker, reply] as const];
        }),
      );
      const copies = new Map([...replies.keys()].map((name) => [name, 1]));
      const sent: Sent = { reached: 1, replies, copies, answered: replies.size };
      return Promise.resolve(sent);
    },
  } as unknown as Mailbox;
  return { mailbox, told };
}

const OK = { ok: 'terminate: …' };
const CANNOT = { error: 'NotImplementedError' };
const waiting = (id: string) => ({ id, state: 'reserved' }) as const;
const running = (id: string) => ({ id, state: 'active' }) as const;

test('each worker is told once, and only of what it has', async () => {
  const { mailbox, told } = mailboxWith(() => OK);
  const revocations = createRevocations();
  await revocations.tell(mailbox, 'a', [waiting('1'), running('2')]);
  await revocations.tell(mailbox, 'a', [waiting('1'), running('2')]);
  await revocations.tell(mailbox, 'b', [waiting('1')]);
  await revocations.tellPossible(mailbox, [], ['9']);
  expect(told).toEqual([
    // A worker that cannot kill a running task does nothing of the rest of a message.
    { ids: ['1'], to: ['a'] },
    { ids: ['2'], to: ['a'] },
    { ids: ['1'], to: ['b'] },
  ]);
  expect([...revocations.taskIds()]).toEqual(['1', '2']);
  expect(revocations.mostAtOneWorker()).toBe(2);
  expect(revocations.isConfirmed('a', '1')).toBe(true);
  expect(revocations.isConfirmed('b', '2')).toBe(false);
  expect(revocations.cannotKill('a')).toBe(false);
});

test('a task that began meanwhile does not hide what became of the others', async () => {
  const { mailbox, told } = mailboxWith((ids) => (ids.includes('5') ? CANNOT : OK));
  const revocations = createRevocations();
  const ids = ['1', '2', '3', '4', '5', '6', '7'];
  await revocations.tell(mailbox, 'w', ids.map(waiting));
  while (await revocations.divide(mailbox)) expect(told.length).toBeLessThan(20);
  expect(ids.filter((id) => !revocations.isConfirmed('w', id))).toEqual(['5']);
  expect(revocations.cannotKill('w')).toBe(true);
});

test('of running tasks no half is told again', async () => {
  const { mailbox, told } = mailboxWith(() => CANNOT);
  const revocations = createRevocations();
  await revocations.tell(mailbox, 'w', ['1', '2', '3'].map(running));
  expect(await revocations.divide(mailbox)).toBe(false);
  expect(told).toHaveLength(1);
  expect(['1', '2', '3'].some((id) => revocations.isConfirmed('w', id))).toBe(false);
});

test('without a reply nothing is known', async () => {
  const { mailbox } = mailboxWith((_, worker) => (worker === 'slow' ? undefined : OK));
  const revocations = createRevocations();
  await revocations.tellPossible(mailbox, ['slow', 'w'], ['1']);
  expect(await revocations.divide(mailbox)).toBe(false);
  expect([revocations.isConfirmed('slow', '1'), revocations.isConfirmed('w', '1')]).toEqual([
    false,
    true,
  ]);
  expect(revocations.cannotKill('slow')).toBe(false);
});
