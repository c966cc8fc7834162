import type { Check, Diagnosis, Health, ServiceDiagnosis } from './diagnosis.ts';
import type { Style } from './style.ts';
import { counted, shown, wrap } from './text.ts';
import { workerLines } from './workers-text.ts';

/** `doctor` for people: a line a check, remedies behind an arrow, the verdict last. */
export function diagnosisText(diagnosis: Diagnosis, style: Style): string {
  const blocks = [
    checkLines({ name: 'config', status: 'ok', message: diagnosis.configFile, hint: '' }, 0, style),
    ...diagnosis.services.map((service) => serviceLines(service, style)),
    diagnosis.resumed.flatMap(({ worker, queue }) =>
      wrap(
        `${style.green(style.symbols.ok)} ${shown(`${worker} consumes ${queue} again`, style)}`,
        style.width,
        2,
      ),
    ),
    wrap(verdict(diagnosis), style.width, 2).map((line) =>
      style.bold(paint(diagnosis.status, style)(line)),
    ),
  ];
  const text = blocks
    .filter((block) => block.length > 0)
    .map((block) => block.join('\n'))
    .join('\n\n');
  return `${text}\n`;
}

function serviceLines(service: ServiceDiagnosis, style: Style): string[] {
  return [
    style.bold(shown(service.name, style)),
    ...service.checks.flatMap((check) => checkLines(check, 2, style)),
    ...workerLines(service.census.workers, 4, style),
  ];
}

const NAME_WIDTH = 7;

function checkLines(check: Check, indent: number, style: Style): string[] {
  const symbols = {
    ok: style.symbols.ok,
    warning: style.symbols.warning,
    problem: style.symbols.error,
  };
  const symbol = paint(check.status, style)(symbols[check.status]);
  const hint = check.hint === '' ? '' : ` ${style.symbols.arrow} ${check.hint}`;
  const text = `${check.name.padEnd(NAME_WIDTH)}  ${shown(check.message + hint, style)}`;
  return wrap(`${' '.repeat(indent)}${symbol} ${text}`, style.width, indent + 4);
}

function paint(health: Health, style: Style): (text: string) => string {
  return { ok: style.green, warning: style.yellow, problem: style.red }[health];
}

function verdict({ services }: Diagnosis): string {
  const of = (health: Health): number =>
    services.flatMap(({ checks }) => checks).filter(({ status }) => status === health).length;
  const [problems, warnings] = [of('problem'), of('warning')];
  if (problems + warnings === 0) return 'All is well.';
  return [
    ...(problems > 0 ? [counted(problems, 'problem')] : []),
    ...(warnings > 0 ? [counted(warnings, 'warning')] : []),
  ].join(', ');
}
