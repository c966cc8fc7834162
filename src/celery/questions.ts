import { decodeReply } from './pidbox.ts';

/** A question to workers, and the replies to it. */
export interface Sent {
  /** How many workers it is for: what PUBLISH says, at most as many as were named. */
  readonly reached: number;
  /** By worker; grows as replies are received. */
  readonly replies: ReadonlyMap<string, unknown>;
  /** How many replies came of each name: more than one where several workers go by it. */
  readonly copies: ReadonlyMap<string, number>;
  /** How many replies came. */
  readonly answered: number;
}

interface Question extends Sent {
  readonly replies: Map<string, unknown>;
  readonly copies: Map<string, number>;
  reached: number;
  answered: number;
  /** How many listened when it was asked; more replies than these cannot all be workers'. */
  listening: number;
  surplus: number;
}

/** The questions of one mailbox, and who answered them. */
export interface Questions {
  readonly unreadable: ReadonlySet<string>;
  readonly surplus: ReadonlySet<string>;
  ask(ticket: string, question: Question): void;
  forget(ticket: string): void;
  /** Takes in one message of the reply list; whether it is a reply that was waited for. */
  readonly take: (message: Buffer) => boolean;
  /** Whether a worker may still reply. */
  areOpen(): boolean;
}

/** So many replies too many are read for each question. */
const MOST_SURPLUS = 16;
/** A question that is answered is kept for a while: a reply too many may come late. */
const KEPT_QUESTIONS = 200;

export function startQuestion(): Question {
  return {
    replies: new Map(),
    copies: new Map(),
    answered: 0,
    reached: 0,
    listening: Infinity,
    surplus: 0,
  };
}

export function createQuestions(): Questions {
  const unreadable = new Set<string>();
  const surplus = new Set<string>();
  const byTicket = new Map<string, Question>();
  return {
    unreadable,
    surplus,
    ask(ticket, question) {
      forgetOldest(byTicket);
      byTicket.set(ticket, question);
    },
    forget: (ticket) => byTicket.delete(ticket),
    take(message) {
      const reply = decodeReply(message);
      const question = byTicket.get(reply?.ticket ?? '');
      if (reply === undefined || question === undefined) return false;
      if (reply.worker === undefined) {
        unreadable.add(reply.contentType);
        return false;
      }
      const isSurplus = question.answered >= question.listening;
      if (isSurplus) {
        surplus.add(reply.worker);
        if (question.surplus >= MOST_SURPLUS) return false;
        question.surplus += 1;
      } else {
        question.answered += 1;
      }
      // A reply too many may be the true one, so its content counts; the mailbox does not wait for it.
      note(question, reply.worker, reply.value);
      return !isSurplus;
    },
    areOpen: () => [...byTicket.values()].some(({ reached, answered }) => answered < reached),
  };
}

function note({ replies, copies }: Question, worker: string, value: unknown): void {
  replies.set(worker, joined(replies.get(worker), value));
  copies.set(worker, (copies.get(worker) ?? 0) + 1);
}

function forgetOldest(byTicket: Map<string, Question>): void {
  for (const [ticket, { answered, reached }] of byTicket) {
    if (byTicket.size < KEPT_QUESTIONS) return;
    if (answered >= reached) byTicket.delete(ticket);
  }
}

/** Two workers that go by one name answer both: what they have is had by that name. */
function joined(one: unknown, other: unknown): unknown {
  if (Array.isArray(one) && Array.isArray(other))
    return [...(one as unknown[]), ...(other as unknown[])];
  return one ?? other;
}
