import { describe, expect, test } from 'vitest';
import {
  CENSUS,
  DENIED,
  emptyService,
  failed,
  reportOf,
  TRANSCRIBER,
} from '../../test/support/reports.ts';
import { CannotStart } from '../errors.ts';
import type { StopReason } from '../errors.ts';
import { cannotStartJson, jsonText, reportJson, statsJson } from './json.ts';
import { plannedReport } from './planned.ts';

describe('the report', () => {
  test('is the document of the contract, in its order', () => {
    const service = { ...TRANSCRIBER, failures: failed(DENIED) };
    expect(jsonText(reportJson(reportOf([service], { status: 'completed_with_errors' }))))
      .toMatchInlineSnapshot(`
        "{
          "version": 1,
          "cleanup_id": "cleanup_total_20251027_143022",
          "status": "completed_with_errors",
          "message": "⚠️  WIPE FINISHED WITH ERRORS: 15 jobs + 49 files + 3 models removed (1645.2MB freed), 1 error",
          "dry_run": false,
          "started_at": "2025-10-27T14:30:22.104Z",
          "finished_at": "2025-10-27T14:30:25.310Z",
          "duration_ms": 3206,
          "jobs_removed": 15,
          "tasks_purged": 4,
          "tasks_cancelled": 1,
          "files_deleted": 49,
          "models_deleted": 3,
          "space_freed_mb": 1645.2,
          "verified": true,
          "errors": [
            "Uploads/file123.mp3: Permission denied"
          ],
          "warnings": [],
          "services": {
            "audio-transcriber": {
              "redis": "127.0.0.1:6379/3",
              "jobs_removed": 15,
              "results_removed": 15,
              "index_keys_removed": 0,
              "tasks_purged": {
                "queued": 3,
                "in_flight": 1
              },
              "tasks_cancelled": 1,
              "files_deleted": 49,
              "models_deleted": 3,
              "space_freed_mb": 1645.2,
              "bytes_freed": 1725118054,
              "bytes_held_open": 0,
              "verified": true,
              "unknown": [],
              "not_configured": [],
              "remaining": {
                "jobs": 0,
                "tasks": 0,
                "files": 0,
                "models": 0
              },
              "errors": [
                "Uploads/file123.mp3: Permission denied"
              ],
              "warnings": [],
              "failures": [
                {
                  "target": "Uploads",
                  "item": "file123.mp3",
                  "code": "EACCES",
                  "reason": "Permission denied",
                  "hint": "run as the owner or with sudo"
                }
              ],
              "directories": [
                {
                  "name": "Uploads",
                  "path": "/srv/media/services/audio-transcriber/uploads",
                  "kind": "files",
                  "deleted": 23,
                  "bytes_freed": 152253235,
                  "inodes_freed": 24,
                  "bytes_held_open": 0
                }
              ],
              "came_back": {
                "jobs": 0,
                "tasks": 0,
                "files": 0,
                "models": 0
              },
              "inodes_freed": 24
            }
          },
          "file_systems": [],
          "redis_servers": []
        }
        "
      `);
  });

  test('lists 100 of a kind and counts the rest', () => {
    const failures = { first: Array.from({ length: 100 }, () => DENIED), total: 123 };
    const warnings = Array.from({ length: 102 }, (_, index) => `warning ${index}`);
    const document = reportJson(
      reportOf([
        { ...TRANSCRIBER, failures, warnings },
        { ...emptyService('video-downloader'), failures: failed(DENIED), warnings: ['w'] },
      ]),
    );
    expect(document.errors).toHaveLength(101);
    expect(document.errors.at(-1)).toBe('… and 24 more errors');
    expect(document.warnings.at(-1)).toBe('… and 3 more warnings');
    const own = document.services['audio-transcriber'];
    expect(own?.errors.at(-1)).toBe('… and 23 more errors');
    expect(own?.warnings.at(-1)).toBe('… and 2 more warnings');
    expect(own?.failures).toHaveLength(100);
    expect(own?.failures_omitted).toBe(23);
    expect(document.services['video-downloader']).not.toHaveProperty('failures_omitted');
  });

  test('what could not be looked at is not 0', () => {
    const remaining = { jobs: 0, tasks: 2, files: 0, models: 0 };
    const unseen = ['jobs', 'queue'] as const;
    const document = reportJson(reportOf([{ ...TRANSCRIBER, remaining, unseen }]));
    expect(document.services['audio-transcriber']?.remaining).toEqual({
      ...remaining,
      jobs: null,
    });
  });

  test('of a dry run: nothing has gone, all of it remains', () => {
    const run = {
      cleanupId: 'x',
      kinds: ['jobs', 'models'] as const,
      olderThan: undefined,
      cancelRunning: true,
      startedAt: new Date(0),
      finishedAt: new Date(7),
    };
    const document = reportJson(plannedReport(run, CENSUS));
    expect(document).toMatchObject({
      status: 'planned',
      dry_run: true,
      verified: false,
      duration_ms: 7,
      jobs_removed: 1219,
      tasks_purged: 0,
      files_deleted: 0,
      models_deleted: 3,
      space_freed_mb: 1499,
      errors: ['Redis/127.0.0.1:6379/1: Connection refused'],
    });
    expect(document.services['audio-transcriber']).toMatchObject({
      verified: false,
      bytes_freed: 1_571_816_243,
      remaining: { jobs: 15, tasks: 0, files: 0, models: 3 },
      directories: [{ name: 'Models', kind: 'models', deleted: 3 }],
    });
  });
});

test('stats', () => {
  expect(jsonText(statsJson(CENSUS.slice(2)))).toMatchInlineSnapshot(`
    "{
      "version": 1,
      "total_jobs": 0,
      "services": {
        "video-downloader": {
          "total_jobs": 0,
          "tasks": {
            "queued": 0,
            "in_flight": 0
          },
          "files": 8,
          "models": 0,
          "size_mb": 4,
          "directories": [
            {
              "name": "Cache",
              "path": "/srv/media/services/video-downloader/cache",
              "files": 8,
              "size_mb": 4
            },
            {
              "name": "Downloads",
              "path": "/srv/media/services/video-downloader/downloads",
              "files": 0,
              "size_mb": 0
            },
            {
              "name": "Temp",
              "path": "/srv/media/services/video-downloader/temp",
              "files": 0,
              "size_mb": 0
            }
          ],
          "errors": [
            "Redis/127.0.0.1:6379/1: Connection refused"
          ],
          "celery": {
            "listening": 0,
            "waiting": null,
            "silent": 0,
            "silent_names": [],
            "trouble": null,
            "workers": [],
            "held": []
          }
        }
      }
    }
    "
  `);
});

test.each<[StopReason, string]>([
  ['usage', 'refused'],
  ['config', 'refused'],
  ['refused', 'refused'],
  ['declined', 'declined'],
  ['locked', 'locked'],
])('a run that did not start: %s is %s', (stop, status) => {
  const problems = [{ path: 'services.x.redis', message: 'must be a URL' }];
  expect(cannotStartJson(new CannotStart(stop, 'no', problems))).toEqual({
    version: 1,
    status,
    error: { code: stop, message: 'no', problems },
  });
});

test('the text commands no terminal and means the same', () => {
  const document = { path: '/srv/a\u009b2J\u202eb\x1b[2J\u007fé🔥' };
  const text = jsonText(document);
  expect(text).not.toMatch(/(?!\n)[\p{Cc}\u202e]/u);
  expect(text).toContain('é🔥');
  expect(JSON.parse(text)).toEqual(document);
});
