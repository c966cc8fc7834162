/**
 * Results that stay although jobs went whose ids look like theirs: the task id is made of the job's
 * id, or the configured prefix is too long or too short.
 */
import { printable } from '../report/printable.ts';
import { startsWith } from '../redis/scan.ts';
import type { Finding } from '../model/finding.ts';
import { counted } from '../report/text.ts';
import type { Judgement } from './judge-families.ts';
import type { SurveySubject } from './key-families.ts';

const SEPARATOR = /[:/|.]/;

/** @param jobIds of jobs that went, without separators in front. */
export function alikeResults(
  { config, keys, neighbours }: SurveySubject,
  label: string,
  judgement: Judgement | undefined,
  jobIds: ReadonlySet<string>,
): readonly Finding[] {
  if (keys.results !== 'own' || judgement === undefined || jobIds.size === 0) return [];
  const starts = keys.broker.resultStarts;
  const left = judgement.families
    .flatMap(({ samples }) => samples)
    .flatMap((key) => {
      const start = starts.find((one) => startsWith(key, one));
      return start === undefined ? [] : [{ key, id: key.subarray(start.length).toString() }];
    })
    .filter(({ id }) => !jobIds.has(id));
  const forms = new Set([...jobIds].flatMap(formsOf));
  const alike = left.filter(({ id }) => formsOf(id).some((form) => forms.has(form)));
  const telling = alike.filter(({ id }) =>
    formsOf(id).some((form) => forms.has(form) && isTelling(form)),
  );
  // Short numbers say something only where nobody else has results, and most are like them.
  const isAll = neighbours.length === 0 && alike.length * 2 >= left.length;
  const named = isAll ? alike : telling;
  const [first] = named;
  if (first === undefined) return [];
  return [
    {
      code: 'ERESULTID',
      severity: 'problem',
      target: 'Redis',
      item: `${label} (results)`,
      reason: `${counted(named.length, 'result')} or more, such as ${printable(first.key)}, stay, and their ids look like those of jobs that "keyPrefix" names`,
      hint: `what follows "keyPrefix" must be the id of the job's task: correct services.${config.name}.keyPrefix, or say "results": "all" or "none" in its "celery"`,
    },
  ];
}

/** An id, its parts, and what is left of it without a word at either end; in lower case. */
function formsOf(id: string): readonly string[] {
  const lower = id.toLowerCase();
  const parts = lower.split(SEPARATOR);
  return [lower, ...parts].flatMap((part) => {
    const words = part.split(/[_-]/);
    const [first = ''] = words;
    const last = words.at(-1) ?? '';
    return [
      ...(isId(part) ? [part] : []),
      ...(words.length > 1 && isWord(first) ? [part.slice(first.length + 1)] : []),
      ...(words.length > 1 && isWord(last) ? [part.slice(0, -last.length - 1)] : []),
    ].filter(isId);
  });
}

function isWord(text: string): boolean {
  return /^[a-z]{2,20}$/.test(text) && !/^[a-f]+$/.test(text);
}

/** `data` is none. */
function isId(text: string): boolean {
  return /\d/.test(text) || text.length >= 12;
}

/** A short number is the id of many things. */
function isTelling(text: string): boolean {
  return text.length >= 6 && !/^\d{1,7}$/.test(text);
}
