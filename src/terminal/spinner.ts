import type { Ora } from 'ora';
import type { LogEntry, Progress } from '../report/observer.ts';
import type { Style } from '../report/style.ts';
import { cut, grouped, shown, wrap } from '../report/text.ts';
import type { ProgressOptions, ProgressView } from './progress.ts';

/** ora costs more time to load than a small wipe takes, so it comes only when the wait is felt. */
const LOAD_AFTER_MS = 250;
const RENDER_EVERY_MS = 100;
/** The seconds go on while a step has nothing to tell. */
const CLOCK_MS = 500;

const WORKING: Readonly<Record<string, { readonly title: string; readonly done: string }>> = {
  inspect: { title: 'counting', done: 'counted' },
  wait: { title: 'waiting', done: 'busy' },
  watch: { title: 'watching what comes back', done: 'looks' },
  queue: { title: 'removing queued tasks', done: 'removed' },
  'in-flight': { title: 'removing in-flight tasks', done: 'removed' },
  jobs: { title: 'removing jobs', done: 'removed' },
  files: { title: 'removing files', done: 'removed' },
  models: { title: 'removing models', done: 'removed' },
  verify: { title: 'verifying', done: 'checked' },
};

/**
 * A line per finished step and one spinner below them. The core may hold the event loop, so the
 * spinner is drawn from `progress` too, at most ten times a second.
 */
export function spinnerProgress(options: ProgressOptions): ProgressView {
  const { stderr, style } = options;
  let spinner: Ora | undefined;
  let state: 'running' | 'paused' | 'stopped' = 'running';
  let current: Progress | undefined;
  let stepStarted = Date.now();
  let rendered = 0;
  let clock: NodeJS.Timeout | undefined;
  let said = false;
  let title = options.title;

  const text = (): string => {
    const line = current === undefined ? title : progressText(current, Date.now() - stepStarted);
    return cut(shown(line, style), style.width - 3, style.symbols.ellipsis);
  };
  const draw = (): void => {
    if (spinner === undefined || state !== 'running') return;
    rendered = Date.now();
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
    log: (entry) => {
      // The closing message stands below the report, which follows at once.
      if (entry.level === 'DEBUG' || entry.step === 'end' || isNoNews(entry)) return;
      const named = entry.service === undefined || entry.message.includes(entry.service);
      const service = named ? '' : `${entry.service}: `;
      said = true;
      if (entry.step === 'start') title = 'media-cleanup: wiping';
      // What is shown next is no more this step's.
      current = undefined;
      // ora moves itself below whatever else is written to its stream.
      const line = shown(service + readable(entry.message, style), style);
      const lines = wrap(symbolOf(entry.level, style) + line, style.width, 2);
      stderr.write(`${lines.join('\n')}\n`);
    },
    progress: (progress) => {
      const now = Date.now();
      if (current?.service !== progress.service || current.step !== progress.step) {
        stepStarted = now;
      }
      current = progress;
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

/** Where the terminal shows ASCII alone an emoji would be a row of escapes. */
function readable(message: string, style: Style): string {
  if (style.unicode) return message;
  return message.replace(/[\p{Extended_Pictographic}\uFE0F\u200D]+\s*/gu, '');
}

/** `audio-transcriber: removing files  12,345 removed, 1,234.5 MB, 3 s` */
export function progressText(progress: Progress, milliseconds: number): string {
  // `files in Uploads`, `wait for worker@host`: the kind of step, and where it is at work.
  const kind = progress.step.replace(/ (in|for) .*$/s, '');
  const known = Object.hasOwn(WORKING, kind) ? WORKING[kind] : undefined;
  const { title, done } = known ?? { title: kind, done: 'done' };
  const where = progress.step.slice(kind.length);
  const [whole = '0', tenth = '0'] = (progress.bytes / 2 ** 20).toFixed(1).split('.');
  const figures = [
    `${grouped(progress.done)} ${done}`,
    ...(progress.bytes > 0 ? [`${grouped(Number(whole))}.${tenth} MB`] : []),
    `${Math.floor(milliseconds / 1000)} s`,
  ];
  return `${progress.service}: ${title}${where}  ${figures.join(', ')}`;
}

function symbolOf(level: string, style: Style): string {
  if (level === 'ERROR') return `${style.red(style.symbols.error)} `;
  if (level === 'WARNING') return `${style.yellow(style.symbols.warning)} `;
  return `${style.green(style.symbols.ok)} `;
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
