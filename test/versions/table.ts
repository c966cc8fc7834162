/** Outcomes as a Markdown table: a row for each version, pool and server, a column for each feature. */
import type { Outcome } from './scene.ts';

export interface Cell {
  readonly row: string;
  readonly column: string;
  /** The error's message where the scene did not come to its end. */
  readonly outcome: Outcome | string;
}

/** Why the cell is wrong: "verified" is only right where nothing ran, came back or was left. */
export function faultsOf({ outcome }: Cell): readonly string[] {
  if (typeof outcome === 'string') return [outcome];
  const happened = happenedAfter(outcome);
  return [
    ...(outcome.verified ? happened.map((what) => `verified, but ${what}`) : []),
    ...((outcome.exit === 0) === outcome.verified
      ? []
      : [`exit ${String(outcome.exit)} with verified: ${String(outcome.verified)}`]),
  ];
}

function happenedAfter(outcome: Outcome): readonly string[] {
  const counts = [
    [outcome.ranOn, 'ran on'],
    [outcome.began, 'began'],
    [outcome.backAfterRestart, 'back after the restart'],
    [outcome.backAfterTimeout, 'back after the visibility timeout'],
    [outcome.left, 'keys left'],
    [outcome.late, 'keys written later'],
  ] as const;
  return counts
    .filter(([items]) => items.length > 0)
    .map(([items, what]) => `${items.length} ${what} (${shortened(items)})`);
}

function shortened(items: readonly string[]): string {
  return [...items.slice(0, 3), ...(items.length > 3 ? ['…'] : [])].join(', ');
}

function cellText(cell: Cell | undefined): string {
  if (cell === undefined) return '–';
  const { outcome } = cell;
  const [fault] = faultsOf(cell);
  if (typeof outcome === 'string') return `✖ ${outcome.split('\n')[0] ?? ''}`;
  const counts = `${outcome.cancelled} cancelled, ${outcome.removed} removed`;
  if (fault !== undefined) return `✖ ${counts}: ${faultsOf(cell).join('; ')}`;
  if (outcome.verified) return `✔ ${counts}`;
  const happened = happenedAfter(outcome).map((what) => what.replace(/ \(.*\)$/, ''));
  return `exit ${String(outcome.exit)}, ${counts}: ${happened.join(', ') || 'nothing came'}`;
}

export function markdownTable(cells: readonly Cell[]): string {
  const columns = [...new Set(cells.map(({ column }) => column))];
  const rows = [...new Set(cells.map(({ row }) => row))];
  const lines = rows.map((row) => {
    const texts = columns.map((column) =>
      cellText(cells.find((cell) => cell.row === row && cell.column === column)),
    );
    return tableRow([row, ...texts]);
  });
  return [tableRow(['', ...columns]), tableRow(['---', ...columns.map(() => '---')]), ...lines]
    .join('\n')
    .concat('\n');
}

function tableRow(cells: readonly string[]): string {
  return `| ${cells.map((text) => text.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
}

/** What the wipes said that were not verified, each text with the cells that it belongs to. */
export function saidList(cells: readonly Cell[]): string {
  const said = new Map<string, string[]>();
  for (const cell of cells) {
    if (typeof cell.outcome === 'string') continue;
    for (const error of new Set(cell.outcome.errors.map(withoutNames))) {
      said.set(error, [...(said.get(error) ?? []), `${cell.row}, ${cell.column}`]);
    }
  }
  return [...said].map(([text, places]) => `- ${text}\n  (${places.join('; ')})\n`).join('');
}

/** So that the same text of two scenes is one: ports, times and the order of tasks differ. */
function withoutNames(text: string): string {
  return text
    .replaceAll(/127\.0\.0\.1:\d+/g, 'HOST')
    .replaceAll(/w\d@[\w.-]+/g, 'WORKER')
    .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, 'TIME')
    .replaceAll(/\([a-z]+-\d[^)]*\)/g, '(TASKS)');
}
