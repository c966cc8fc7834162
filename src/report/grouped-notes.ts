/** Notes of `init` for people: those of one kind on one line, so that the important ones are seen. */
import type { Note } from '../init/proposal.ts';

/** What nobody expects to be emptied, by the name or the place of the folder. */
const PLAIN: readonly (readonly [RegExp, RegExp, string])[] = [
  [/./, /source code|program itself|the project itself/, 'source code or configuration'],
  [/(?:^|\/)logs?(?:\/|$|:)/i, /./, 'log folders'],
  [/^\/(?:dev|sys|proc|run|var\/run|etc|usr|lib)(?:\/|$)/, /./, 'devices and files of the system'],
  [/./, /named volume|no folder of the project/, "named volumes, which lie in Docker's own folder"],
  [/./, /its name does not say/, 'names that do not say that they hold data'],
  [/./, /inside the container/, 'inside the container, where no mount leads'],
  [/./, /mounted read-only/, 'mounted read-only'],
];

export function groupedNotes(notes: readonly Note[]): readonly string[] {
  const others = new Map<string, string[]>();
  const folders = new Map<string, string[]>();
  const topics = new Map<string, string[]>();
  const lines = new Map<string, string[]>();
  for (const { service, message, folder, group } of notes) {
    if (group !== undefined) {
      topics.set(group.text, [...(topics.get(group.text) ?? []), group.item]);
      continue;
    }
    if (folder === undefined) {
      const services = others.get(message) ?? [];
      others.set(message, service === undefined ? services : [...services, service]);
      continue;
    }
    if (folder.line !== undefined) {
      const name = service ?? '';
      lines.set(name, [...(lines.get(name) ?? []), `${folder.line} (${folder.label})`]);
      continue;
    }
    const plain = PLAIN.find(([label, why]) => label.test(folder.label) && why.test(folder.why));
    const reason = plain?.[2] ?? folder.why;
    const labels = folders.get(reason) ?? [];
    if (!labels.includes(folder.label)) folders.set(reason, [...labels, folder.label]);
  }
  const texts = [...others].map(([message, services]) =>
    services.length === 0 ? message : `${services.join(', ')}: ${message}`,
  );
  for (const [text, items] of topics) texts.push(`${text}: ${items.join(', ')}`);
  if (lines.size > 0) {
    const added = [...lines].map(([service, items]) => `${service}: ${items.join(', ')}`);
    texts.push(
      `left out, because nothing says that they hold data to be thrown away; add to "directories" what the service writes: ${added.join('; ')}`,
    );
  }
  const classes = [...folders].map(([reason, labels]) => `${reason}: ${labels.join(', ')}`);
  return classes.length === 0 ? texts : [...texts, `not proposed: ${classes.join('; ')}`];
}
