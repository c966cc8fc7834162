import { expect, test } from 'vitest';
import { reportOf, TRANSCRIBER, TROUBLED } from '../../test/support/reports.ts';
import { reportJson } from './json.ts';
import { reportFromJson } from './report-from-json.ts';
import type { ReportDocument } from './report-from-json.ts';

test.each([
  TROUBLED,
  reportOf([TRANSCRIBER], { warnings: ['of the run'], olderThan: 60_000, status: 'interrupted' }),
])('what was written is read back', (report) => {
  const document = reportJson(report);
  const read = JSON.parse(JSON.stringify(document)) as ReportDocument;
  expect(reportFromJson(read, report.kinds)).toEqual(report);
  expect(reportJson(reportFromJson(read, report.kinds))).toEqual(document);
});
