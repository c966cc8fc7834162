import { closeDirectory, openHandedOver } from './files/open-directory.ts';
import type { OpenDirectory } from './files/open-directory.ts';
import { erase } from './files/eraser.ts';
import type { EraseListener } from './files/erase-context.ts';
import { noRemoval } from './files/removal.ts';
import type { NameOfSeveral } from './files/removal.ts';
import { boundariesOf } from './files/rules.ts';
import type { Boundaries } from './files/walk.ts';
import type { PendingMessage, Report, ToWorker, WorkMessage } from './files/worker-messages.ts';

/**
 * The program of a file worker: a child process that removes what it is told, since only a process
 * has a working directory. It ends with the tool, whatever ends that.
 */

/** So that a call back, or the tool's death, is noticed soon. */
const SLICE_MS = 25;
const BETWEEN_REPORTS_MS = 150;
const MOST_IN_A_REPORT = 500;

interface Piece {
  readonly work: WorkMessage;
  isAtWork: boolean;
  isCalledBack: boolean;
}

const owner = process.ppid;
let stopped = false;
let boundaries: { readonly of: string; readonly are: Boundaries } | undefined;
/** In the order in which they came, those at work first. */
const pieces: Piece[] = [];
/** One directory often comes in many pieces: the last one stays open. */
const open = new Map<string, { readonly directory: OpenDirectory; users: number }>();

// The terminal's Ctrl-C reaches the whole group: the tool says when to stop.
for (const name of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) process.on(name, () => undefined);
process.on('disconnect', () => process.exit());
process.on('message', (message: ToWorker) => {
  if (message.is === 'stop') stopped = true;
  else if (message.is === 'call back') callBack();
  else pieces.push({ work: message.work, isAtWork: false, isCalledBack: false });
  startNext();
});

/** One after the other where that is the fastest, else all at once. */
function startNext(): void {
  for (const piece of pieces) {
    if (piece.isAtWork) {
      if (piece.work.window > 1) continue;
      return;
    }
    piece.isAtWork = true;
    void run(piece).finally(() => {
      pieces.splice(pieces.indexOf(piece), 1);
      startNext();
    });
    if (piece.work.window === 1) return;
  }
}

/** Half of what is left goes back, what came last first, and the last piece when there is one only. */
function callBack(): void {
  const withTrees = pieces.filter(
    ({ work, isCalledBack }) => work.trees.length > 0 && !isCalledBack,
  );
  for (const piece of withTrees.slice(Math.floor(withTrees.length / 2))) {
    piece.isCalledBack = true;
    if (piece.isAtWork) continue;
    pieces.splice(pieces.indexOf(piece), 1);
    const { id, trees } = piece.work;
    const answer = { left: 0, unfinished: trees, begun: [], tried: undefined, refused: [] };
    send({ ...nothing(id), end: { ...answer, milliseconds: 0 } });
  }
}

async function run(piece: Piece): Promise<void> {
  const { work } = piece;
  const directory = takeOver(work);
  if (directory === undefined) {
    send({ ...nothing(work.id), refused: true });
    return;
  }
  const ofRules = JSON.stringify(work.rules);
  if (boundaries?.of !== ofRules) boundaries = { of: ofRules, are: boundariesOf(work.rules) };
  const removal = noRemoval();
  let report = nothing(work.id);
  const started = performance.now();
  let reported = started;
  const flush = (): void => {
    send({ ...report, removal: { ...removal } });
    Object.assign(removal, noRemoval());
    report = nothing(work.id);
    reported = performance.now();
  };
  const listener: EraseListener = {
    failure: (path, code) => {
      report.failures.push([path.toString('latin1'), code]);
      if (report.failures.length >= MOST_IN_A_REPORT) flush();
    },
    mount: (path) => report.mounts.push(path.toString('latin1')),
    pending: (file) => report.pending.push({ ...file, path: file.path.toString('latin1') }),
    busy: (path) => report.busy.push(path.toString('latin1')),
    nameOfSeveral: (name) => {
      report.several.push(name);
      if (report.several.length >= MOST_IN_A_REPORT) flush();
    },
    item: undefined,
    progress: () => {
      if (performance.now() - reported > BETWEEN_REPORTS_MS) flush();
    },
  };
  const context = {
    root: directory,
    rootPath: Buffer.from(work.path, 'latin1'),
    topPath: Buffer.from(work.topPath, 'latin1'),
    boundaries: boundaries.are,
    removal,
    listener,
    stopped: () => stopped,
    calledBack: () => piece.isCalledBack,
    slice: () => SLICE_MS,
    window: () => work.window,
    isFar: () => work.isFar,
    sharing: undefined,
    setAside: undefined,
    meter: undefined,
  };
  const answer = await erase(context, work);
  giveBack(work);
  send({
    ...report,
    removal,
    end: { ...answer, milliseconds: performance.now() - started },
  });
}

type OpenReport = Omit<Report, 'failures' | 'mounts' | 'pending' | 'busy' | 'several'> & {
  failures: [string, string][];
  mounts: string[];
  pending: PendingMessage[];
  busy: string[];
  several: NameOfSeveral[];
};

function nothing(id: number): OpenReport {
  return { id, removal: noRemoval(), failures: [], mounts: [], pending: [], busy: [], several: [] };
}

function takeOver({ directory }: WorkMessage): OpenDirectory | undefined {
  const known = open.get(keyOf(directory));
  if (known !== undefined) {
    known.users += 1;
    return known.directory;
  }
  for (const [key, { directory: unused, users }] of open) {
    if (users > 0) continue;
    open.delete(key);
    closeDirectory(unused);
  }
  try {
    const taken = openHandedOver(owner, directory.descriptor);
    if (keyOf(taken) === keyOf(directory)) {
      open.set(keyOf(directory), { directory: taken, users: 1 });
      return taken;
    }
    closeDirectory(taken);
  } catch {
    // Another process's descriptors may be closed to us: the tool does it itself.
  }
  return undefined;
}

function giveBack({ directory }: WorkMessage): void {
  const known = open.get(keyOf(directory));
  if (known !== undefined) known.users -= 1;
}

function keyOf({
  device,
  inode,
  mountId,
}: Pick<OpenDirectory, 'device' | 'inode' | 'mountId'> | WorkMessage['directory']): string {
  return `${device}:${inode}:${mountId}`;
}

function send(report: OpenReport): void {
  process.send?.(report);
}
