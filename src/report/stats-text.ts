import { doubtful, doubtsOf } from './census-text.ts';
import type { Doubts } from './census-text.ts';
import { directoryBars } from './directory-bars.ts';
import { gridLines } from './grid.ts';
import type { Digits } from './grid.ts';
import { problemLines } from './problem-lines.ts';
import type { Style } from './style.ts';
import { shown, textWidth, wrap } from './text.ts';
import type { Coverage, Kind, ServiceCensus } from './types.ts';
import { workerLines } from './workers-text.ts';

/** `stats` for people: one table of services, then where the space is in each. */
export function statsText(services: readonly ServiceCensus[], style: Style): string {
  const directories = directoryBars(services, style);
  const lines = [
    ...gridLines(statsGrid(services, style), style),
    ...services.flatMap((service) => {
      const own = [
        ...workerLines(service.workers, 2, style),
        ...(directories.get(service) ?? []),
        ...problemLines(service, style),
      ];
      return ['', ...titleLines(service, style), ...own];
    }),
  ];
  return `${lines.join('\n')}\n`;
}

interface Counts {
  readonly jobs: number;
  readonly queued: number;
  readonly inFlight: number;
  readonly files: number;
  readonly models: number;
  readonly bytes: number;
}

function statsGrid(services: readonly ServiceCensus[], style: Style) {
  return {
    head: ['Service', 'Jobs', 'Queued', 'In flight', 'Files', 'Models', 'MB'],
    rows: (digits: Digits) =>
      services.map((service) =>
        row(shown(service.name, style), countsOf([service]), [service], digits, style),
      ),
    total:
      services.length > 1
        ? (digits: Digits) => row('Total', countsOf(services), services, digits, style)
        : undefined,
  };
}

function row(
  name: string,
  counts: Counts,
  services: readonly Coverage[],
  digits: Digits,
  style: Style,
): string[] {
  const doubts = anyDoubts(services.map(doubtsOf));
  const figure = (text: string, value: number, inDoubt: boolean): string =>
    value === 0 && !inDoubt ? style.dim(text) : doubtful(text, value, inDoubt);
  const cell = (count: number, kind: Kind, inDoubt: boolean): string =>
    services.every(({ notConfigured }) => notConfigured.includes(kind))
      ? style.dim('-')
      : figure(digits.count(count), count, inDoubt);
  return [
    name,
    cell(counts.jobs, 'jobs', doubts.jobs),
    cell(counts.queued, 'queue', doubts.tasks),
    cell(counts.inFlight, 'queue', doubts.tasks),
    cell(counts.files, 'files', doubts.files),
    cell(counts.models, 'models', doubts.models),
    figure(digits.megabytes(counts.bytes), counts.bytes, doubts.files || doubts.models),
  ];
}

function countsOf(services: readonly ServiceCensus[]): Counts {
  const sum = (figure: (service: ServiceCensus) => number): number =>
    services.reduce((total, service) => total + figure(service), 0);
  return {
    jobs: sum((service) => service.jobs),
    queued: sum((service) => service.tasks.queued),
    inFlight: sum((service) => service.tasks.inFlight),
    files: sum((service) => service.files),
    models: sum((service) => service.models),
    bytes: sum((service) => service.bytes),
  };
}

function anyDoubts(doubts: readonly Doubts[]): Doubts {
  return {
    jobs: doubts.some((one) => one.jobs),
    tasks: doubts.some((one) => one.tasks),
    files: doubts.some((one) => one.files),
    models: doubts.some((one) => one.models),
  };
}

function titleLines(service: ServiceCensus, style: Style): string[] {
  const name = style.bold(shown(service.name, style));
  const redis = service.redis === undefined ? 'no Redis' : `Redis ${service.redis}`;
  const broker =
    service.broker === undefined || service.broker === service.redis
      ? ''
      : `, broker ${service.broker}`;
  const server = shown(redis + broker, style);
  const line = `${name}  ${server}`;
  return textWidth(line) <= style.width ? [line] : [name, ...wrap(`  ${server}`, style.width, 4)];
}
