import { planText } from './plan-text.ts';
import { directoriesLine, outsideLines, outsideNotice, summaryVariants } from './plan-summary.ts';
import type { SummaryRun } from './plan-summary.ts';
import { chosenOf } from './planned.ts';
import type { Style } from './style.ts';
import { textWidth } from './text.ts';
import type { ServiceCensus } from './types.ts';

/**
 * The plan before the question. When the plan does not fit on the screen, a summary that does stands
 * between the plan and the question.
 * @param screen the rows of the terminal, and the question that follows.
 */
export function planScreen(
  census: readonly ServiceCensus[],
  run: SummaryRun,
  screen: { readonly rows: number; readonly question: string },
  style: Style,
): string {
  const plan = planText(census, run, style).trimEnd().split('\n');
  const services = census.map((service) => chosenOf(service, run.kinds));
  const outside = outsideLines(services, run, style);
  // A blank line, and two rows for the remark that something was typed too early.
  const room = screen.rows - rowsOf([screen.question], style.width) - 3;
  const fits = (lines: readonly string[]): boolean => rowsOf(lines, style.width) <= room;
  const whole = [...plan, ...directoriesLine(services, run, style, 'alone'), ...outside];
  if (fits(whole)) return text(whole);
  const summary = summaryVariants(services, run, style, outside).find(fits);
  if (summary !== undefined) return text([...plan, '', ...summary]);
  // More directories outside than rows: all of them are named, and below them how many they are.
  const short = summaryVariants(services, run, style, outsideNotice(services, run, style));
  const below = short.find((lines) => rowsOf(lines, style.width) <= room / 2) ?? short.at(-1) ?? [];
  return text([...plan, '', ...outside, ...below]);
}

/** Rows of a terminal that the lines take. */
function rowsOf(lines: readonly string[], width: number): number {
  return lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(textWidth(line) / width)), 0);
}

function text(lines: readonly string[]): string {
  return `${lines.join('\n')}\n\n`;
}
