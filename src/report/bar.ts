import type { Style } from './style.ts';

/** Bars of text. A fraction is from 0 to 1; what lies outside is drawn as the nearer end. */

/**
 * How much of `width` columns something takes, in eighths of a column where the terminal has them.
 * What is more than nothing shows; no blanks follow.
 */
export function bar(fraction: number, width: number, style: Style): string {
  const steps = style.symbols.bar;
  const full = steps.at(-1) ?? '';
  const part = within(fraction);
  const filled = part === 0 ? 0 : Math.max(1, Math.round(part * width * steps.length));
  const rest = filled % steps.length;
  return full.repeat(Math.floor(filled / steps.length)) + (steps[rest - 1] ?? '');
}

/** How far something has come: exactly `width` columns, and full at the very end alone. */
export function progressBar(fraction: number, width: number, style: Style): string {
  const { full, half, empty } = style.symbols.progress;
  const halves = Math.floor(within(fraction) * width * 2);
  const done = full.repeat(Math.floor(halves / 2)) + (halves % 2 === 1 ? half : '');
  const rest = empty.repeat(width - Math.ceil(halves / 2));
  return (done === '' ? '' : style.green(done)) + (rest === '' ? '' : style.dim(rest));
}

function within(fraction: number): number {
  return Number.isFinite(fraction) ? Math.min(1, Math.max(0, fraction)) : 0;
}
