import { bar } from './bar.ts';
import { doubtful } from './census-text.ts';
import { GROUPED } from './grid.ts';
import type { Style } from './style.ts';
import { counted, cut, shown, textWidth, wrap } from './text.ts';
import type { ServiceCensus } from './types.ts';

/** Where the space is: each directory's share of all that is shown, as a figure and as a bar. */

const INDENT = 2;
/** The bar of the largest directory; without a terminal too. */
const LONGEST_BAR = 24;
/** Beside a path; a shorter one makes the path go below. */
const SHORT_BAR = 10;
/** Less tells nothing. */
const SHORTEST_BAR = 4;

interface Row {
  readonly name: string;
  readonly count: string;
  readonly size: string;
  readonly share: string;
  readonly path: string;
  readonly bytes: number;
  readonly isEmpty: boolean;
}

/**
 * The directories of each service, largest first, with columns and bars common to all services. What
 * has no room goes: first the path to a line of its own, then the bar, the share and the columns.
 * Only a path is ever wider than the style, so that it can be copied.
 */
export function directoryBars(
  services: readonly ServiceCensus[],
  style: Style,
): Map<ServiceCensus, string[]> {
  const all = services.flatMap(({ directories }) => directories);
  const total = all.reduce((sum, { bytes }) => sum + bytes, 0);
  const rows = new Map(services.map((service) => [service, rowsOf(service, total, style)]));
  const lineOf = chooseLayout([...rows.values()].flat(), style);
  return new Map([...rows].map(([service, own]) => [service, own.flatMap(lineOf)]));
}

function rowsOf(service: ServiceCensus, total: number, style: Style): readonly Row[] {
  const { directories, failures } = service;
  const failed = new Set(failures.first.map(({ target }) => target));
  return directories
    .toSorted((one, other) => other.bytes - one.bytes || other.files - one.files)
    .map(({ name, kind, files, bytes, path }) => {
      const noun = kind === 'models' ? 'model' : 'file';
      const inDoubt = failed.has(name);
      const [figure = '', ...words] = counted(files, noun).split(' ');
      return {
        name: shown(name, style),
        count: inDoubt ? `${doubtful(figure, files, true)} ${noun}s` : [figure, ...words].join(' '),
        size: `${doubtful(GROUPED.megabytes(bytes), bytes, inDoubt)} MB`,
        share: total === 0 ? '' : shareText(bytes / total),
        path: shown(path, style),
        bytes,
        isEmpty: files === 0 && bytes === 0 && !inDoubt,
      };
    });
}

function shareText(share: number): string {
  const percent = Math.round(share * 100);
  return `${percent === 0 && share > 0 ? '<1' : String(percent)} %`;
}

function chooseLayout(rows: readonly Row[], style: Style): (row: Row) => string[] {
  const widest = (cell: (row: Row) => string): number =>
    Math.max(0, ...rows.map((row) => textWidth(cell(row))));
  const widths = {
    name: widest((row) => row.name),
    count: widest((row) => row.count),
    size: widest((row) => row.size),
    share: widest((row) => row.share),
    path: widest((row) => row.path),
  };
  const most = Math.max(0, ...rows.map(({ bytes }) => bytes));
  const share = widths.share > 0;
  const figuresWidth = (gap: number, withShare: boolean): number =>
    INDENT +
    widths.name +
    widths.count +
    widths.size +
    2 * gap +
    (withShare ? gap + widths.share : 0);
  const figures = (row: Row, gap: number, withShare: boolean): string => {
    const between = ' '.repeat(gap);
    const name = ' '.repeat(INDENT) + row.name + ' '.repeat(widths.name - textWidth(row.name));
    const cells = [row.count.padStart(widths.count), row.size.padStart(widths.size)];
    if (withShare) cells.push(row.share.padStart(widths.share));
    const text = cells.join(between);
    return `${name}${between}${row.isEmpty ? style.dim(text) : text}`;
  };
  const barOf = (row: Row, width: number): string =>
    most === 0 ? '' : bar(row.bytes / most, width, style);
  const below = (row: Row): string => `${' '.repeat(INDENT + 2)}${row.path}`;

  const room = style.width - figuresWidth(2, share) - 2;
  const beside = Math.min(LONGEST_BAR, most === 0 ? 0 : room - widths.path - 2);
  if (beside >= (most === 0 ? 0 : SHORT_BAR) && room >= widths.path) {
    return (row) => {
      const drawn = most === 0 ? '' : `  ${padded(barOf(row, beside), beside)}`;
      return [`${figures(row, 2, share)}${drawn}  ${row.path}`];
    };
  }
  const length = Math.min(LONGEST_BAR, room);
  if (length >= SHORTEST_BAR) {
    return (row) => [`${figures(row, 2, share)}  ${barOf(row, length)}`.trimEnd(), below(row)];
  }
  const fitting = [
    { gap: 2, withShare: share },
    { gap: 1, withShare: share },
    { gap: 1, withShare: false },
  ].find(({ gap, withShare }) => figuresWidth(gap, withShare) <= style.width);
  if (fitting !== undefined) {
    return (row) => [figures(row, fitting.gap, fitting.withShare), below(row)];
  }
  return (row) => {
    const cells = [row.count, row.size, ...(share ? [row.share] : [])].join(', ');
    return [
      cut(' '.repeat(INDENT) + row.name, style.width, style.symbols.ellipsis),
      ...wrap(`${' '.repeat(INDENT + 2)}${cells}`, style.width, INDENT + 2),
      below(row),
    ];
  };
}

function padded(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - textWidth(text)));
}
