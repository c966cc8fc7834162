import type { Ora } from 'ora';
import type { LogEntry } from '../report/observer.ts';
import type { Style } from '../report/style.ts';
import { readable, shown, wrap } from '../report/text.ts';
import { createMeter } from './meter.ts';
import { progressLine, titleLine } from './progress-line.ts';
import type { ProgressOptions, ProgressView } from './progress.ts';

/** ora costs more time to load than a small wipe takes, so it comes only when the wait is felt. */
const LOAD_AFTER_MS = 250;
const RENDER_EVERY_MS = 100;
/** The seconds go on while a step has nothing to tell. */
const CLOCK_MS = 500;
/**
 * Columns of the line that are not the text's: the spinner and a space, the `^C` that a terminal
 * echoes, and one at the end that makes some terminals wrap.
 */
const BESIDES = 5;

/**
 * A line per finished step and one spinner below them. The core may hold the event loop, so the
 * spinner is drawn from `progress` too, at most ten times a second.
 */
export function spinnerProgress(options: ProgressOptions): ProgressView {
  const { stderr, style } = options;
  let spinner: Ora | undefined;
  let state: 'running' | 'paused' | 'stopped' = 'running';
  const meter = createMeter();
  let rendered = -Infinity;
  let clock: NodeJS.Timeout | undefined;
  let said = false;
  let title = options.title;

  const text = (): string => {
    const width = widthNow(options) - BESIDES;
    const reading = meter.read(performance.now());
    if (reading !== undefined) return progressLine(reading, width, style);
    return titleLine(title, meter.fraction(), width, style);
  };
  const draw = (): void => {
    if (spinner === undefined || state !== 'running') return;
    rendered = performance.now();
    spinner.text = text();
    spinner.render();
  };
  const timer = setTimeout(() => {
    void loadSpinner(options).then((loaded) => {
      if (state === 'stopped') return;
      spinner = loaded;
      clock = setInterval(draw, CLOCK_MS).unref();
      if (state === 'running') spinner?.start(text());
    });
  }, LOAD_AFTER_MS);
  timer.unref();

  return {
    expect: (totals) => {
      meter.expect(totals);
    },
    log: (entry) => {
      meter.logged(entry);
      // The closing message stands below the report, which follows at once.
      if (entry.level === 'DEBUG' || entry.step === 'end' || isNoNews(entry)) return;
      const named = entry.service === undefined || entry.message.includes(entry.service);
      const service = named ? '' : `${entry.service}: `;
      said = true;
      if (entry.step === 'start') title = 'media-cleanup: wiping';
      // ora moves itself below whatever else is written to its stream, with the text that it has.
      if (spinner !== undefined) spinner.text = text();
      const line = shown(service + readable(entry.message, style), style);
      const lines = wrap(symbolOf(entry.level, style) + line, style.width, 2);
      stderr.write(`${lines.join('\n')}\n`);
    },
    progress: (progress) => {
      const now = performance.now();
      meter.progress(progress, now);
      if (now - rendered >= RENDER_EVERY_MS) draw();
    },
    pause: () => {
      if (state !== 'running') return;
      state = 'paused';
      spinner?.stop();
    },
    resume: () => {
      if (state !== 'paused') return;
      state = 'running';
      spinner?.start(text());
    },
    freshLine: () => {
      // The spinner clears its line, and what was echoed in it.
      if (spinner?.isSpinning !== true) stderr.write('\n');
    },
    stop: () => {
      state = 'stopped';
      clearTimeout(timer);
      clearInterval(clock);
      spinner?.stop();
      if (said) stderr.write('\n');
      said = false;
    },
  };
}

/** On a terminal the report follows at once: warnings, paths and steps without a find are its. */
function isNoNews(entry: LogEntry): boolean {
  if (['service', 'warning', 'note'].includes(entry.step)) return true;
  if (entry.step === 'verify' || entry.figures === undefined) return false;
  return Object.values(entry.figures).every((figure) => figure === 0);
}

function symbolOf(level: string, style: Style): string {
  if (level === 'ERROR') return `${style.red(style.symbols.error)} `;
  if (level === 'WARNING') return `${style.yellow(style.symbols.warning)} `;
  return `${style.green(style.symbols.ok)} `;
}

/** A terminal that was made narrower would wrap the line, and keep a part of every one. */
function widthNow({ stderr, style }: ProgressOptions): number {
  const { columns } = stderr as Partial<NodeJS.WriteStream>;
  return Math.min(style.width, columns || Infinity);
}

/** Where a terminal calls itself 0 columns wide (expect, docker), ora clears lines for ever. */
function withWidth(stream: NodeJS.WriteStream): NodeJS.WriteStream {
  return new Proxy(stream, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (name === 'columns') return value || FALLBACK_WIDTH;
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
    set: (target, name, value) => Reflect.set(target, name, value),
  });
}

const FALLBACK_WIDTH = 80;

/** Undefined when ora cannot be loaded: progress is never worth a failed wipe. */
async function loadSpinner(options: ProgressOptions): Promise<Ora | undefined> {
  try {
    const { default: ora } = await import('ora');
    return ora({
      stream: withWidth(options.stderr as NodeJS.WriteStream),
      isEnabled: true,
      // The question needs the terminal's own line editing and Ctrl-C.
      discardStdin: false,
      // A killed process would leave the terminal without a cursor.
      hideCursor: false,
      color: false,
      spinner: { frames: options.style.symbols.spinner.map(options.style.green), interval: 100 },
    });
  } catch {
    return undefined;
  }
}
