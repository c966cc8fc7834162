/** How text for people may look: width, colours and symbols come in here, report/ knows no chalk. */

export type Paint = (text: string) => string;

export interface Symbols {
  readonly ok: string;
  readonly error: string;
  readonly warning: string;
  readonly arrow: string;
  readonly ellipsis: string;
  /** One column wide, repeated for a rule. */
  readonly rule: string;
  readonly spinner: readonly string[];
  /** Parts of one column, growing; the last one fills it. */
  readonly bar: readonly string[];
  /** One column each. */
  readonly progress: { readonly full: string; readonly half: string; readonly empty: string };
}

export interface Style {
  /** Columns; `Infinity` never wraps, so that one error stays one line for grep. */
  readonly width: number;
  /** False where the terminal shows ASCII alone: then names are escaped to ASCII as well. */
  readonly unicode: boolean;
  readonly bold: Paint;
  readonly dim: Paint;
  readonly red: Paint;
  readonly green: Paint;
  readonly yellow: Paint;
  readonly symbols: Symbols;
}

export const UNICODE_SYMBOLS: Symbols = {
  ok: '✔',
  error: '✖',
  warning: '⚠',
  arrow: '→',
  ellipsis: '…',
  rule: '─',
  spinner: ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'],
  bar: ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'],
  progress: { full: '━', half: '╸', empty: '─' },
};

export const ASCII_SYMBOLS: Symbols = {
  ok: 'ok',
  error: 'x',
  warning: '!',
  arrow: '->',
  ellipsis: '...',
  rule: '-',
  spinner: ['-', '\\', '|', '/'],
  bar: ['#'],
  progress: { full: '#', half: '.', empty: '.' },
};

const asIs: Paint = (text) => text;

export function plainStyle(width: number, unicode = true): Style {
  return {
    width,
    unicode,
    bold: asIs,
    dim: asIs,
    red: asIs,
    green: asIs,
    yellow: asIs,
    symbols: unicode ? UNICODE_SYMBOLS : ASCII_SYMBOLS,
  };
}
