import type { ChildProcess } from 'node:child_process';
import { systemCode } from '../errors.ts';
import type { Answer, EraseContext, Sharing, Slice, Work } from './erase-context.ts';
import { currentPath } from './open-directory.ts';
import type { OpenDirectory } from './open-directory.ts';
import { addRemoval } from './removal.ts';
import type { Rules } from './rules.ts';
import type { Report, ToWorker } from './worker-messages.ts';

/** Processes that remove beside this one, started when there is enough to do. */
export interface FileWorkers {
  /** Removals that this process itself keeps under way at once in one directory. */
  readonly window: () => number;
  /** Whether the device is so slow that even a few small files are worth threads. */
  readonly isFar: () => boolean;
  /** Milliseconds between two turns of the event loop: answers want to be heard. */
  readonly slice: () => number;
  readonly meter: ((slice: Slice) => void) | undefined;
  sharing(context: EraseContext, rules: Rules): Sharing;
  /** Pieces of work of which it is not known what became: then counts may be too low. */
  lost(): number;
  /** Ends them; what they do is finished first, as far as it was waited for. */
  close(): void;
}

export interface FileWorkersOptions {
  /** The Node.js to run them with. */
  readonly interpreter: string;
  /** The file of their program. */
  readonly program: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cores: number;
  /** Removals at once, fixed; undefined: as many as help. */
  readonly concurrency: number | undefined;
  readonly signal: AbortSignal;
}

/** A process takes 50 MB, and all of them together shall stay below 250. */
const MOST_PROCESSES = 4;
/** In one large directory more are in each other's way; and there they take more memory. */
const MOST_FOR_NAMES = 2;
/** After so many pieces of names in a row those that have no part in it end. */
const PIECES_OF_NAMES = 40;
/** Many small directories on a device that is waited for are worth more processes than processors. */
const TREES_WORTH_MORE = 100;
const SMALL_TREE_MS = 10;
/** At once in a worker, where the device is what is waited for. */
const WAITING_WINDOW = 8;
const FAR_WINDOW = 16;
const OWN_WAITING_WINDOW = 4;
/** So much is removed before another process has started. */
const NAMES_WORTH_HELP = 1_500;
const MILLISECONDS_WORTH_HELP = 100;
/** A piece of work is to take so long, so that the last ones end together. */
const PIECE_MS = 50;
const MOST_TREES = 1000;
/** Less is not worth a message to one who has something to do. */
const LEAST_MS = 2;
const LEARNING = 0.3;
/** Signals, Redis and the spinner wait so long. */
export const WORKING_MS = 25;
const HEARING_MS = 15;
/** Pieces that lie ready for a worker while it does another. */
const AHEAD = 5;
/**
 * Removals wait for the device when so little is computed meanwhile; and when the process gives way so
 * often, since a busy machine takes the processor away as well.
 */
const WAITING_SHARE = 0.7;
/** A server far away, or a disk that turns. */
const FAR_SHARE = 0.1;
const WAITS_A_REMOVAL = 0.3;
const MEASURED_MS = 40;
/** A commit of the journal holds everything up for a tenth of a second. */
const FAR_MEASURED_MS = 1000;

interface Worker {
  readonly child: ChildProcess;
  readonly pieces: Map<number, Piece>;
  asked: boolean;
  /** In its pieces. */
  trees: number;
  /** It could not take over a directory: it gets no more. */
  refuses: boolean;
}

interface Piece {
  readonly work: Work;
  readonly listen: (report: Report) => void;
  readonly resolve: (answer: Answer) => void;
}

export function createFileWorkers(options: FileWorkersOptions): FileWorkers | undefined {
  const { concurrency, signal } = options;
  if (concurrency === 1) return undefined;
  const isWindowFixed = concurrency !== undefined && concurrency > MOST_PROCESSES;
  const helpers = isWindowFixed
    ? MOST_FOR_NAMES
    : Math.min(concurrency ?? Math.max(options.cores, 2), MOST_PROCESSES) - 1;
  const fixedWindow = isWindowFixed ? Math.ceil((concurrency - 1) / helpers) : undefined;
  /** Failed: there is no memory, or no process more, and those that are there go on. */
  let state: 'none' | 'starting' | 'ready' | 'failed' | 'closed' = 'none';
  let workers: Worker[] = [];
  let started = 0;
  let waits = fixedWindow !== undefined;
  let isFar = false;
  let lastId = 0;
  /** As the workers say; before, as long as one takes here. */
  let learned: number | undefined;
  let treesDone = 0;
  let sharingSince: number | undefined;
  let namesSeen = 0;
  let piecesOfNames = 0;
  let lostPieces = 0;
  const began = performance.now();
  const measured = { milliseconds: 0, processor: 0, waits: 0, removals: 0 };
  signal.addEventListener('abort', () => tell({ is: 'stop' }), { once: true });
  return {
    window: () => (waits && fixedWindow === undefined ? OWN_WAITING_WINDOW : 1),
    slice: () => (workers.length > 0 ? HEARING_MS : WORKING_MS),
    isFar: () => isFar,
    meter: concurrency === undefined || isWindowFixed ? meter : undefined,
    sharing,
    lost: () => lostPieces,
    close() {
      state = 'closed';
      for (const { child } of workers) if (child.connected) child.disconnect();
      workers = [];
    },
  };

  function tell(message: ToWorker): void {
    for (const { child } of workers) if (child.connected) child.send(message);
  }

  function meter(slice: Slice): void {
    if (isFar) return;
    measured.milliseconds += slice.milliseconds;
    measured.processor += slice.processor;
    measured.waits += slice.waits;
    measured.removals += slice.removals;
    if (measured.milliseconds < (waits ? FAR_MEASURED_MS : MEASURED_MS)) return;
    const share = measured.processor / measured.milliseconds;
    if (measured.waits > WAITS_A_REMOVAL * measured.removals) {
      isFar = waits && share < FAR_SHARE;
      waits ||= share < WAITING_SHARE;
    }
    measured.milliseconds = measured.processor = measured.waits = measured.removals = 0;
  }

  function sharing(context: EraseContext, rules: Rules): Sharing {
    const topPath = (currentPath(context.root) ?? Buffer.alloc(0)).toString('latin1');
    sharingSince ??= performance.now();
    return {
      wantsNames() {
        considerHelp(Math.min(helpers, MOST_FOR_NAMES));
        const worker = leastBusy(MOST_FOR_NAMES);
        return !signal.aborted && worker?.trees === 0;
      },
      wantsTrees(left) {
        const milliseconds = millisecondsATree();
        considerHelp(
          concurrency === undefined &&
            waits &&
            left > TREES_WORTH_MORE &&
            milliseconds < SMALL_TREE_MS
            ? MOST_PROCESSES - 1
            : helpers,
        );
        const worker = leastBusy();
        if (signal.aborted || worker === undefined) return 0;
        // Not more for it, with what it has, than for this process; but nobody shall stand by.
        const fair =
          worker.pieces.size === 0 ? Math.ceil(left / 2) : Math.floor((left - worker.trees) / 2);
        if (worker.pieces.size > 0 && fair * milliseconds < LEAST_MS) return 0;
        const piece = Math.min(MOST_TREES, Math.max(1, Math.round(PIECE_MS / milliseconds)));
        return Math.max(0, Math.min(piece, fair));
      },
      async give(directory, path, work) {
        const isOfNames = work.trees.length === 0;
        piecesOfNames = isOfNames ? piecesOfNames + 1 : 0;
        if (piecesOfNames >= PIECES_OF_NAMES) endIdle();
        const worker = leastBusy(isOfNames ? MOST_FOR_NAMES : undefined);
        if (worker === undefined) return lost(work);
        lastId += 1;
        const id = lastId;
        return await new Promise<Answer>((resolve) => {
          const listen = (report: Report): void => take(context, report);
          worker.pieces.set(id, { work, listen, resolve });
          worker.trees += work.trees.length;
          send(worker, {
            is: 'work',
            work: {
              id,
              directory: namedBy(directory),
              path: path.toString('latin1'),
              topPath,
              rules,
              window: windowOfWorker(),
              isFar,
              ...work,
            },
          });
        });
      },
      callBack() {
        for (const worker of workers) {
          if (worker.asked || worker.trees === 0) continue;
          worker.asked = true;
          send(worker, { is: 'call back' });
        }
      },
      seen(names) {
        namesSeen += names;
      },
      treeDone() {
        treesDone += 1;
      },
    };
  }

  function millisecondsATree(): number {
    if (learned !== undefined) return learned;
    return (performance.now() - (sharingSince ?? began)) / (treesDone + 1);
  }

  function windowOfWorker(): number {
    if (fixedWindow !== undefined) return fixedWindow;
    if (isFar) return FAR_WINDOW;
    return waits ? WAITING_WINDOW : 1;
  }

  /** Several pieces at once where the device is waited for: small directories have few files. */
  function hasRoom(worker: Worker): boolean {
    // Who was called back answers first: until then it would give back at once what it gets.
    if (worker.asked || worker.refuses) return false;
    return worker.pieces.size < (waits ? windowOfWorker() / 2 : 1) + AHEAD;
  }

  /** Of those that would take more. @param most only so many of the workers. */
  function leastBusy(most?: number): Worker | undefined {
    let best: Worker | undefined;
    for (const worker of workers.slice(0, most)) {
      if (!hasRoom(worker)) continue;
      const isBetter =
        best === undefined ||
        worker.trees < best.trees ||
        (worker.trees === best.trees && worker.pieces.size < best.pieces.size);
      if (isBetter) best = worker;
    }
    return best;
  }

  function endIdle(): void {
    for (const worker of workers.slice(MOST_FOR_NAMES)) if (worker.pieces.size === 0) lose(worker);
  }

  function considerHelp(wanted: number): void {
    if ((state !== 'none' && state !== 'ready') || started >= wanted) return;
    const enough =
      namesSeen > NAMES_WORTH_HELP || performance.now() - began > MILLISECONDS_WORTH_HELP;
    if (!enough) return;
    state = 'starting';
    startHelpers(wanted).catch((error: unknown) => {
      systemCode(error);
      state = 'failed';
    });
  }

  async function startHelpers(wanted: number): Promise<void> {
    const { spawn } = await import('node:child_process');
    // What is meant for the tool's own Node.js, a debugger's port for one, is not for its workers.
    const { NODE_OPTIONS: _, ...env } = options.env;
    for (; started < wanted; started += 1) {
      if (state !== 'starting' || signal.aborted) return;
      const child = spawn(options.interpreter, [...FLAGS, options.program], {
        cwd: '/',
        env: { ...env, UV_THREADPOOL_SIZE: String(Math.max(fixedWindow ?? 0, FAR_WINDOW)) },
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      });
      const worker = { child, pieces: new Map(), trees: 0, asked: false, refuses: false };
      child.on('message', (report: Report) => hear(worker, report));
      child.on('error', () => lose(worker));
      // And not 'exit', which can come before the last messages.
      child.on('disconnect', () => lose(worker));
      workers.push(worker);
    }
    state = 'ready';
  }

  function send(worker: Worker, message: ToWorker): void {
    if (!worker.child.connected) {
      lose(worker);
      return;
    }
    worker.child.send(message, (error) => {
      if (error !== null) lose(worker);
    });
  }

  function hear(worker: Worker, report: Report): void {
    const piece = worker.pieces.get(report.id);
    if (piece === undefined) return;
    piece.listen(report);
    if (report.refused === true) {
      worker.refuses = true;
      end(worker, report.id, piece);
      piece.resolve(lost(piece.work));
      return;
    }
    if (report.end === undefined) return;
    end(worker, report.id, piece);
    const done = piece.work.trees.length - report.end.unfinished.length;
    if (done > 0) {
      const took = report.end.milliseconds / done;
      learned = learned === undefined ? took : learned + (took - learned) * LEARNING;
    }
    piece.resolve(report.end);
  }

  function end(worker: Worker, id: number, { work }: Piece): void {
    worker.pieces.delete(id);
    worker.trees -= work.trees.length;
    worker.asked = false;
    if (worker.refuses && worker.pieces.size === 0) lose(worker);
  }

  /** It has ended, or cannot work: others do what it had. */
  function lose(worker: Worker): void {
    if (state !== 'closed') lostPieces += worker.pieces.size;
    workers = workers.filter((other) => other !== worker);
    if (worker.child.connected) worker.child.disconnect();
    for (const { work, resolve } of worker.pieces.values()) resolve(lost(work));
    worker.pieces.clear();
    worker.trees = 0;
  }
}

/** Nobody knows what became of it. */
function lost({ trees }: Work): Answer {
  return { left: 0, unfinished: trees, begun: [], tried: undefined, refused: [] };
}

/** Little memory: a worker holds a thousand names and no more. */
const FLAGS = ['--max-old-space-size=64', '--max-semi-space-size=1'];

function take({ removal, listener }: EraseContext, report: Report): void {
  addRemoval(removal, report.removal);
  const bytes = (path: string): Buffer => Buffer.from(path, 'latin1');
  for (const [path, code] of report.failures) listener.failure(bytes(path), code);
  for (const path of report.mounts) listener.mount(bytes(path));
  for (const file of report.pending) listener.pending({ ...file, path: bytes(file.path) });
  for (const path of report.busy) listener.busy(bytes(path));
  for (const name of report.several) listener.nameOfSeveral(name);
}

function namedBy({ descriptor, device, inode, mountId }: OpenDirectory) {
  return { descriptor, device: String(device), inode: String(inode), mountId };
}
