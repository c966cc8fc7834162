import { progressBar } from '../report/bar.ts';
import type { Style } from '../report/style.ts';
import { cut, elapsedText, grouped, roughly, shown, textWidth } from '../report/text.ts';
import type { Reading } from './meter.ts';

/** What is said of a step while it goes on: one line, as much of it as there is room for. */

interface Words {
  readonly title: string;
  /** After the count; empty: there is nothing to count. */
  readonly done: string;
  /** What is removed; only of steps that remove. */
  readonly nouns?: readonly [string, string];
}

const WORDS: Readonly<Record<string, Words>> = {
  inspect: { title: 'counting', done: 'counted' },
  wait: { title: 'waiting', done: 'busy' },
  watch: { title: 'watching what comes back', done: 'looks' },
  queue: {
    title: 'removing queued tasks',
    done: 'removed',
    nouns: ['queued task', 'queued tasks'],
  },
  'in-flight': {
    title: 'removing in-flight tasks',
    done: 'removed',
    nouns: ['in-flight task', 'in-flight tasks'],
  },
  jobs: { title: 'removing jobs', done: 'removed', nouns: ['job', 'jobs'] },
  files: { title: 'removing files', done: 'removed', nouns: ['file', 'files'] },
  models: { title: 'removing models', done: 'removed', nouns: ['model', 'models'] },
  verify: { title: 'verifying', done: 'checked' },
  save: { title: 'waiting for Redis to save', done: '' },
};

/** Few lengths, so that it does not change with every digit of the figures beside it. */
const BAR_LENGTHS = [24, 18, 12, 8];

interface Line {
  /** `audio-transcriber: removing files in Uploads`, before the figures. */
  readonly head: readonly string[];
  readonly figures: readonly (string | undefined)[];
}

/** Which parts are left out; each step leaves out more. */
interface Room {
  readonly bar: boolean;
  readonly service: boolean;
  readonly where: boolean;
  readonly total: boolean;
  readonly about: boolean;
  readonly itemRate: boolean;
  readonly rate: boolean;
  readonly megabytes: boolean;
  readonly time: boolean;
}

const ALL: Room = {
  bar: true,
  service: true,
  where: true,
  total: true,
  about: true,
  itemRate: true,
  rate: true,
  megabytes: true,
  time: true,
};

/** The least important first. */
const WITH_TOTALS: readonly (keyof Room)[] = [
  'itemRate',
  'service',
  'total',
  'about',
  'rate',
  'megabytes',
  'bar',
  'time',
];
const WITHOUT: readonly (keyof Room)[] = [
  'where',
  'itemRate',
  'service',
  'rate',
  'megabytes',
  'time',
];

/** No wider than `width`; parts are left out as a whole. May hold colour codes. */
export function progressLine(reading: Reading, width: number, style: Style): string {
  const { fraction } = reading;
  let room = ALL;
  for (const next of [undefined, ...(fraction === undefined ? WITHOUT : WITH_TOTALS)]) {
    if (next !== undefined) room = { ...room, [next]: false };
    const text = shown(join(lineOf(reading, room)), style);
    if (fraction === undefined) {
      if (textWidth(text) <= width) return text;
      continue;
    }
    const line = room.bar ? withBar(fraction, text, width, style) : withPercent(fraction, text);
    if (line !== undefined && textWidth(line) <= width) return line;
  }
  const least = shown(join(lineOf(reading, room)), style);
  const text = fraction === undefined ? least : withPercent(fraction, least);
  return cut(text, Math.max(0, width), style.symbols.ellipsis);
}

/** Between two steps, when there is nothing to tell of either. */
export function titleLine(
  title: string,
  fraction: number | undefined,
  width: number,
  style: Style,
): string {
  const text = shown(title, style);
  const line = fraction === undefined ? undefined : withBar(fraction, text, width, style);
  return line ?? cut(text, Math.max(0, width), style.symbols.ellipsis);
}

/** Undefined where no bar fits. */
function withBar(fraction: number, text: string, width: number, style: Style): string | undefined {
  const rest = withPercent(fraction, text);
  const columns = BAR_LENGTHS.find((length) => length + 1 + textWidth(rest) <= width);
  return columns === undefined ? undefined : `${progressBar(fraction, columns, style)} ${rest}`;
}

function withPercent(fraction: number, text: string): string {
  return `${percentText(fraction)}  ${text}`;
}

/** The same as a sentence, for logs and for those who listen to them. */
export function progressSentence(reading: Reading): string {
  const { service, kind, where, fraction, milliseconds } = reading;
  const { title } = wordsOf(kind);
  const figures = [
    fraction === undefined ? undefined : `${percentText(fraction).trim()} of the whole wipe`,
    countText(reading),
    megabytesText(reading.bytes),
    rateText(reading),
    itemRateText(reading, true),
    leftText(reading, true),
  ].filter((part) => part !== undefined && part !== '');
  const time = `after ${elapsedText(milliseconds / 1000)}`;
  return `${service}: ${title}${where}: ${[...figures, time].join(', ')}`;
}

function lineOf(reading: Reading, room: Room): Line {
  const { service, kind, where, fraction, milliseconds } = reading;
  const { title, nouns } = wordsOf(kind);
  const owner = room.service ? [`${service}:`] : [];
  const isWhole = fraction !== undefined && nouns !== undefined;
  const whole = (isWhole ? reading.expected : undefined) ?? { ...reading, count: 0 };
  const megabytes = room.megabytes ? megabytesText(whole.bytes) : undefined;
  const isItemRate = room.itemRate || (megabytes === undefined && room.rate);
  const rates = [
    room.rate ? rateText(reading) : undefined,
    isItemRate ? itemRateText(reading, isWhole) : undefined,
  ];
  if (!isWhole) {
    return {
      head: [...owner, title + (room.where ? where : '')],
      figures: [
        countText(reading),
        megabytes,
        ...rates,
        room.time ? elapsedText(milliseconds / 1000) : undefined,
      ],
    };
  }
  const { done, count } = whole;
  const of = room.total && count >= done && count > 0 ? `/${grouped(count)}` : '';
  const noun = (of === '' ? done : count) === 1 ? nouns[0] : nouns[1];
  return {
    head: [],
    figures: [
      [...owner, `${grouped(done)}${of} ${noun}`].join(' '),
      megabytes,
      ...rates,
      room.time ? leftText(reading, room.about) : undefined,
    ],
  };
}

function join({ head, figures }: Line): string {
  const told = figures.filter((part) => part !== undefined && part !== '').join(', ');
  return [head.join(' '), told].filter((part) => part !== '').join('  ');
}

function wordsOf(kind: string): Words {
  const known = Object.hasOwn(WORDS, kind) ? WORDS[kind] : undefined;
  return known ?? { title: kind, done: 'done' };
}

function countText({ kind, done }: Reading): string {
  const word = wordsOf(kind).done;
  return word === '' ? '' : `${grouped(done)} ${word}`;
}

function megabytesText(bytes: number): string | undefined {
  return bytes > 0 ? `${tenths(bytes / 2 ** 20)} MB` : undefined;
}

function rateText({ bytesPerSecond }: Reading): string | undefined {
  if (bytesPerSecond === undefined || bytesPerSecond <= 0) return undefined;
  return `${rough(bytesPerSecond / 2 ** 20)} MB/s`;
}

function itemRateText({ kind, itemsPerSecond }: Reading, isNamed: boolean): string | undefined {
  if (itemsPerSecond === undefined) return undefined;
  const noun = isNamed ? ` ${wordsOf(kind).nouns?.[1].replace(/^.* /, '') ?? 'items'}` : '';
  return `${rough(itemsPerSecond)}${noun}/s`;
}

function leftText({ secondsLeft }: Reading, about: boolean): string | undefined {
  if (secondsLeft === undefined) return undefined;
  return `${about ? 'about ' : ''}${roughly(secondsLeft)} left`;
}

/** Always as wide. */
function percentText(fraction: number): string {
  return `${String(Math.floor(fraction * 100)).padStart(2)} %`;
}

function tenths(value: number): string {
  const [whole = '0', tenth = '0'] = value.toFixed(1).split('.');
  return `${grouped(Number(whole))}.${tenth}`;
}

/** One decimal where it tells something. */
function rough(value: number): string {
  return value < 9.95 ? value.toFixed(1).replace(/\.0$/, '') : grouped(Math.round(value));
}
