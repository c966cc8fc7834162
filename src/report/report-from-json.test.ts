import { expect, test } from 'vitest';
import { INTERRUPTED, reportOf, TRANSCRIBER, TROUBLED } from '../../test/support/reports.ts';
import { reportJson } from './json.ts';
import { reportFromJson } from './report-from-json.ts';
import type { ReportDocument } from './report-from-json.ts';

test.each([
  TROUBLED,
  INTERRUPTED,
  reportOf([TRANSCRIBER], { warnings: ['of the run'], olderThan: 60_000, status: 'interrupted' }),
])('what was written is read back', (report) => {
  const document = reportJson(report);
  const read = JSON.parse(JSON.stringify(document)) as ReportDocument;
  expect(reportFromJson(read, report.kinds)).toEqual(report);
  expect(reportJson(reportFromJson(read, report.kinds))).toEqual(document);
});

test('a report of a version that did not know what was not begun', () => {
  const text = JSON.stringify(reportJson(TROUBLED)).replaceAll(',"not_begun":[]', '');
  expect(text).not.toContain('not_begun');
  const read = reportFromJson(JSON.parse(text) as ReportDocument, TROUBLED.kinds);
  expect(read).toEqual(TROUBLED);
});
