import { expect, test } from 'vitest';
import { INTERRUPTED, reportOf, TRANSCRIBER, TROUBLED } from '../../test/support/reports.ts';
import { reportJson } from './json.ts';
import { reportFromJson } from './report-from-json.ts';
import type { ReportDocument } from './report-from-json.ts';

test.each([
  TROUBLED,
  INTERRUPTED,
  reportOf([{ ...TRANSCRIBER, verified: false, unseen: ['jobs', 'queue'] }]),
  reportOf([TRANSCRIBER], { warnings: ['of the run'], olderThan: 60_000, status: 'interrupted' }),
])('what was written is read back', (report) => {
  const document = reportJson(report);
  const read = JSON.parse(JSON.stringify(document)) as ReportDocument;
  expect(reportFromJson(read, report.kinds)).toEqual(report);
  expect(reportJson(reportFromJson(read, report.kinds))).toEqual(document);
});

test('what was not begun is there only where something was not', () => {
  expect(JSON.stringify(reportJson(TROUBLED))).not.toContain('not_begun');
  expect(reportJson(INTERRUPTED).services['video-downloader']).toMatchObject({
    not_begun: ['jobs', 'queue', 'files', 'models'],
  });
});
