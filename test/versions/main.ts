/**
 * `npm run test:versions`: real workers of every version of Celery in every pool, real servers, one
 * wipe with each kind of task in the workers' hands; prints what was cancelled, what came back
 * after a restart of the worker and after the visibility timeout, and exits with 1 when a verified
 * wipe let a task run or left a key, or a look stopped a worker. See `--help`.
 */
import { writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { FEATURES, type Feature, type Pool } from './features.ts';
import { lookOften, SEPARATORS } from './looks.ts';
import { fetchVersions, findVersions, type CeleryVersion, type Versions } from './packages.ts';
import { play, type Scene } from './scene.ts';
import { faultsOf, markdownTable, saidList, type Cell } from './table.ts';

const HELP = `npm run test:versions [-- <options>]

  --folder <path>   where versions are and are kept; default: $CELERY_VERSIONS, else in ~/.cache
  --no-fetch        only what is in the folder and on the system
  --table <file>    write the table there too
  --only <text>     scenes whose row and column have the text: "5.6.3 threads", "chord"; repeatable
  --looks <n>       runs of stats beside each worker; default 100, 0: none
  --at-once <n>     scenes; default 4, since they mostly wait
`;

const POOLS: readonly Pool[] = ['prefork', 'solo', 'threads', 'gevent'];

const { values } = parseArgs({
  options: {
    folder: { type: 'string' },
    'no-fetch': { type: 'boolean', default: false },
    table: { type: 'string' },
    only: { type: 'string', multiple: true, default: [] },
    looks: { type: 'string', default: '100' },
    'at-once': { type: 'string', default: '4' },
    help: { type: 'boolean', default: false },
  },
});

// So that servers, workers and folders go on the way out.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

if (values.help) {
  console.log(HELP);
} else {
  process.exitCode = await main();
}

interface Job {
  readonly row: string;
  readonly column: string;
  readonly run: () => Promise<Cell['outcome'] | Looked>;
}

/** Of many looks: what went wrong. */
interface Looked {
  readonly fault: string | undefined;
}

async function main(): Promise<number> {
  const folder =
    values.folder ??
    process.env['CELERY_VERSIONS'] ??
    join(homedir(), '.cache/media-cleanup-versions');
  if (!values['no-fetch']) fetchVersions(folder, (line) => console.log(line));
  const versions = findVersions(folder);
  const jobs = [...scenes(versions), ...looks(versions)].filter(isChosen);
  if (jobs.length === 0) {
    console.error(`No scene has all words of ${values.only.join(' or of ')}.`);
    return 2;
  }
  const cells: Cell[] = [];
  const looked: string[] = [];
  await inParallel(jobs, Number(values['at-once']), async ({ row, column, run }) => {
    const result = await run().catch((error: unknown) => String(error));
    if (typeof result === 'object' && 'fault' in result) {
      looked.push(`- ${row}, ${column}: ${result.fault ?? 'still works'}`);
      if (result.fault !== undefined) cells.push({ row, column, outcome: result.fault });
    } else {
      cells.push({ row, column, outcome: result });
    }
    console.log(`${row}, ${column}: done`);
  });
  return report(inOrder(cells, jobs), looked.toSorted());
}

function report(cells: readonly Cell[], looked: readonly string[]): number {
  const faults = cells.flatMap((cell) =>
    faultsOf(cell).map((fault) => `- ${cell.row}, ${cell.column}: ${fault}`),
  );
  const said = saidList(cells);
  const text = [
    ...(cells.length === 0 ? [] : [markdownTable(cells)]),
    ...(looked.length === 0 ? [] : ['Workers beside looks:', '', ...looked, '']),
    ...(said === '' ? [] : ['What the wipes said that were not verified:', '', said]),
    faults.length === 0 ? 'No faults.' : `Faults:\n\n${faults.join('\n')}`,
    '',
  ].join('\n');
  console.log(text);
  if (values.table !== undefined) writeFileSync(values.table, text);
  return faults.length === 0 ? 0 : 1;
}

function scenes({ celery, servers }: Versions): readonly Job[] {
  const [server, ...others] = servers;
  const newest = celery.findLast(({ name }) => /^[\d.]+$/.test(name));
  if (server === undefined || newest === undefined) return [];
  return [
    ...celery.flatMap((version) =>
      poolsOf(version).flatMap((pool) =>
        featuresOf(pool)
          .filter(({ slow }) => slow !== true || version === newest)
          .map((feature) => scene({ celery: version, server, pool, feature })),
      ),
    ),
    ...others.flatMap((other) =>
      featuresOf('prefork')
        .filter(({ slow }) => slow !== true)
        .map((feature) => scene({ celery: newest, server: other, pool: 'prefork', feature })),
    ),
  ];
}

function poolsOf({ hasGevent }: CeleryVersion): readonly Pool[] {
  return POOLS.filter((pool) => pool !== 'gevent' || hasGevent);
}

function featuresOf(pool: Pool): readonly Feature[] {
  return FEATURES.filter(({ pools }) => pools?.includes(pool) ?? true);
}

function scene(scene: Scene): Job {
  return {
    row: `${scene.celery.name} ${scene.pool}, ${scene.server.name}`,
    column: scene.feature.name,
    run: async () => await play(scene),
  };
}

function looks({ celery }: Versions): readonly Job[] {
  const times = Number(values.looks);
  if (times === 0) return [];
  return celery.flatMap((version) =>
    SEPARATORS.map((separator) => ({
      row: version.name,
      column: `${times} looks beside separator ${JSON.stringify(separator)}`,
      run: async () => ({ fault: await lookOften(version, separator, times) }),
    })),
  );
}

function isChosen({ row, column }: Job): boolean {
  const words = new Set(`${row} ${column}`.toLowerCase().split(/,?\s+/));
  return (
    values.only.length === 0 ||
    values.only.some((text) =>
      text
        .toLowerCase()
        .split(' ')
        .every((word) => words.has(word)),
    )
  );
}

function inOrder(cells: readonly Cell[], jobs: readonly Job[]): readonly Cell[] {
  const place = (cell: Cell): number =>
    jobs.findIndex(({ row, column }) => row === cell.row && column === cell.column);
  return cells.toSorted((one, other) => place(one) - place(other));
}

async function inParallel<Item>(
  items: readonly Item[],
  atOnce: number,
  act: (item: Item) => Promise<void>,
): Promise<void> {
  const waiting = [...items];
  const worker = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await act(item);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}
