import { MAX_LISTED } from './types.ts';
import type { FailureList } from './types.ts';
import { errorLine, moreLine } from './failures.ts';
import type { Style } from './style.ts';
import { shown, wrap } from './text.ts';

/** Errors with their remedies, then warnings; each with the service's name, wrapped. */
export function problemLines(
  service: {
    readonly name: string;
    readonly failures: FailureList;
    readonly warnings: readonly string[];
  },
  style: Style,
): string[] {
  const { symbols } = style;
  const line = (symbol: string, text: string): string[] =>
    wrap(`${symbol} ${shown(`${service.name}: ${text}`, style)}`, style.width, 2);
  const arrow = symbols.arrow;
  const errors = service.failures.first.flatMap((failure) => {
    const hint = failure.hint === '' ? '' : ` ${arrow} ${failure.hint}`;
    return line(style.red(symbols.error), errorLine(failure) + hint);
  });
  const moreErrors = service.failures.total - service.failures.first.length;
  const warnings = service.warnings
    .slice(0, MAX_LISTED)
    .flatMap((warning) => line(style.yellow(symbols.warning), warning));
  const moreWarnings = service.warnings.length - MAX_LISTED;
  return [
    ...errors,
    ...(moreErrors > 0 ? line(style.red(symbols.error), more(moreErrors, 'error', style)) : []),
    ...warnings,
    ...(moreWarnings > 0
      ? line(style.yellow(symbols.warning), more(moreWarnings, 'warning', style))
      : []),
  ];
}

function more(count: number, noun: string, style: Style): string {
  return moreLine(count, noun).replace('…', style.symbols.ellipsis);
}
