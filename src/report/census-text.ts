import { GROUPED } from './grid.ts';
import type { Style } from './style.ts';
import { counted, shown, textWidth } from './text.ts';
import type { DirectoryCensus, ServiceCensus } from './types.ts';

/** What plan and stats share: counts that may be incomplete, and the lines of directories. */

/** Which counts of a census cannot be trusted because something could not be looked at. */
export interface Doubts {
  readonly jobs: boolean;
  readonly tasks: boolean;
  readonly files: boolean;
  readonly models: boolean;
}

export function doubtsOf({ unknown }: Pick<ServiceCensus, 'unknown'>): Doubts {
  return {
    jobs: unknown.includes('jobs'),
    tasks: unknown.includes('queue'),
    files: unknown.includes('files'),
    models: unknown.includes('models'),
  };
}

/** A count that is in doubt never reads as a plain number: `?` for nothing seen, else `12+`. */
export function doubtful(text: string, count: number, inDoubt: boolean): string {
  if (!inDoubt) return text;
  return count === 0 ? '?' : `${text}+`;
}

/**
 * Directory lines of all services with common columns; the path goes on a line of its own when one
 * of them would not fit. The largest directory is named.
 */
export function directoryLines(
  services: readonly ServiceCensus[],
  indent: number,
  style: Style,
): Map<ServiceCensus, string[]> {
  const cells = new Map(
    services.map((service) => [
      service,
      service.directories.map((directory) => ({
        directory,
        name: shown(directory.name, style),
        count: counted(directory.files, directory.kind === 'models' ? 'model' : 'file'),
        size: `${GROUPED.megabytes(directory.bytes)} MB`,
        path: shown(directory.path, style),
      })),
    ]),
  );
  const all = [...cells.values()].flat();
  const nameWidth = Math.max(0, ...all.map((cell) => textWidth(cell.name)));
  const countWidth = Math.max(0, ...all.map((cell) => cell.count.length));
  const sizeWidth = Math.max(0, ...all.map((cell) => cell.size.length));
  const figuresWidth = indent + nameWidth + countWidth + sizeWidth + 6;
  const largest = largestOf(all.map((cell) => cell.directory));
  const mark = (directory: DirectoryCensus): string => (directory === largest ? `  (largest)` : '');
  const pathBelow = all.some(
    (cell) => figuresWidth + textWidth(cell.path + mark(cell.directory)) > style.width,
  );
  const line = (cell: (typeof all)[number]): string[] => {
    const name = cell.name + ' '.repeat(nameWidth - textWidth(cell.name));
    const figures = `${cell.count.padStart(countWidth)}  ${cell.size.padStart(sizeWidth)}`;
    const marked = cell.directory === largest ? style.bold(figures) : figures;
    const start = `${' '.repeat(indent)}${name}  ${marked}`;
    return pathBelow
      ? [`${start}${mark(cell.directory)}`, `${' '.repeat(indent + 2)}${cell.path}`]
      : [`${start}  ${cell.path}${mark(cell.directory)}`];
  };
  return new Map([...cells].map(([service, own]) => [service, own.flatMap(line)]));
}

/** The directory with most bytes; none when there is nothing to compare. */
function largestOf(directories: readonly DirectoryCensus[]): DirectoryCensus | undefined {
  if (directories.length < 2) return undefined;
  const [first, second] = directories.toSorted((one, other) => other.bytes - one.bytes);
  return first !== undefined && first.bytes > (second?.bytes ?? 0) ? first : undefined;
}
