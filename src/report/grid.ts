import Table from 'cli-table3';
import type { Style } from './style.ts';
import { grouped, textWidth } from './text.ts';

/** A table with rules and no vertical lines: three services with seven-digit counts fit in 80 columns. */

/** How numbers are written; chosen by the room there is. */
export interface Digits {
  count(count: number): string;
  megabytes(bytes: number): string;
}

export interface Grid {
  readonly head: readonly string[];
  /** Cells may hold colour codes. The first column is left-aligned, the others are right-aligned. */
  readonly rows: (digits: Digits) => string[][];
  readonly total?: ((digits: Digits) => string[]) | undefined;
}

export const GROUPED: Digits = {
  count: grouped,
  megabytes: (bytes) => {
    const [whole = '0', decimals = '00'] = (bytes / 2 ** 20).toFixed(2).split('.');
    return `${grouped(Number(whole))}.${decimals}`;
  },
};

const UNGROUPED: Digits = {
  count: String,
  megabytes: (bytes) => (bytes / 2 ** 20).toFixed(2),
};

const WHOLE: Digits = { count: String, megabytes: (bytes) => (bytes / 2 ** 20).toFixed(0) };

const LAYOUTS: readonly { readonly digits: Digits; readonly gap: number }[] = [
  { digits: GROUPED, gap: 2 },
  { digits: UNGROUPED, gap: 2 },
  { digits: UNGROUPED, gap: 1 },
  { digits: WHOLE, gap: 1 },
];

/**
 * Lines no wider than the style: a table, else one with the names above the figures, else one block of
 * `name: value` lines a row.
 */
export function gridLines(grid: Grid, style: Style): string[] {
  for (const { digits, gap } of LAYOUTS) {
    const lines = tableLines(grid, digits, gap, style);
    if (lines.every((line) => textWidth(line) <= style.width)) return lines;
  }
  const lines = namesAbove(grid, style);
  if (lines.every((line) => textWidth(line) <= style.width)) return lines;
  return stackedLines(grid, style);
}

function tableLines(grid: Grid, digits: Digits, gap: number, style: Style): string[] {
  const table = new Table({
    head: grid.head.map((title) => style.bold(title)),
    chars: NO_LINES,
    colAligns: grid.head.map((_, column) => (column === 0 ? 'left' : 'right')),
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': gap },
  });
  const total = grid.total?.(digits);
  table.push(...grid.rows(digits));
  if (total !== undefined) table.push(total);
  const lines = table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd());
  const width = Math.max(...lines.map(textWidth));
  const rule = style.dim(style.symbols.rule.repeat(width));
  lines.splice(1, 0, rule);
  if (total !== undefined) lines.splice(-1, 0, rule);
  return lines;
}

const NO_LINES = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '',
};

const MARGIN = '  ';

function namesAbove(grid: Grid, style: Style): string[] {
  const total = grid.total?.(GROUPED);
  const rows = total === undefined ? grid.rows(GROUPED) : [...grid.rows(GROUPED), total];
  // An empty first column keeps the margin, and the figures right-aligned.
  const below = (row: readonly string[]): string[] => [MARGIN, ...row.slice(1)];
  const figures: Grid = { head: below(grid.head), rows: () => rows.map(below) };
  const [head = '', rule = '', ...lines] = tableLines(figures, GROUPED, 2, style);
  const named = lines.flatMap((line, index) => [style.bold(rows[index]?.[0] ?? ''), line]);
  if (total !== undefined) named.splice(-2, 0, rule);
  return [head, rule, ...named];
}

function stackedLines(grid: Grid, style: Style): string[] {
  const total = grid.total?.(GROUPED);
  const rows = total === undefined ? grid.rows(GROUPED) : [...grid.rows(GROUPED), total];
  const titles = grid.head.slice(1);
  const titleWidth = Math.max(...titles.map(textWidth));
  const valueWidth = Math.max(...rows.flatMap((row) => row.slice(1).map(textWidth)));
  return rows.flatMap(([name = '', ...values]) => [
    style.bold(name),
    ...values.map((value, index) => {
      const title = (titles[index] ?? '').padEnd(titleWidth);
      return `  ${title}  ${' '.repeat(valueWidth - textWidth(value))}${value}`;
    }),
  ]);
}
