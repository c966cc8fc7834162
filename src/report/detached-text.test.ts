import { expect, test } from 'vitest';
import { detachedText } from './detached-text.ts';
import { plainStyle } from './style.ts';
import { KINDS } from './types.ts';

const RUN = {
  cleanupId: 'cleanup_total_20251027_143022',
  services: ['audio-transcriber', 'video-downloader'],
  isKept: true,
};
const request = { kinds: KINDS, format: 'table' };

test('80 columns', () => {
  expect(detachedText(RUN, request, plainStyle(80))).toMatchInlineSnapshot(`
    "🔥 TOTAL WIPE STARTED in the background
      cleanup_id  cleanup_total_20251027_143022
      status      processing
      warning     EVERYTHING of audio-transcriber, video-downloader is being
                  removed. There is no way back.
      note        How far it is: media-cleanup status cleanup_total_20251027_143022
                  (--wait: until it has ended); its log: media-cleanup logs
                  cleanup_total_20251027_143022 --follow
    "
  `);
});

test('ASCII, of a part, in 40 columns', () => {
  const part = { ...request, kinds: ['jobs', 'files'] as const };
  expect(detachedText(RUN, part, plainStyle(40, false))).toMatchInlineSnapshot(`
    "WIPE STARTED in the background
      cleanup_id
                  cleanup_total_20251027_143022
      status      processing
      warning     jobs, files of
                  audio-transcriber,
                  video-downloader is being
                  removed. There is no way
                  back.
      note        How far it is:
                  media-cleanup status
                  cleanup_total_20251027_143022
                  (--wait: until it has
                  ended); its log:
                  media-cleanup logs
                  cleanup_total_20251027_143022
                  --follow
    "
  `);
});

test('a run that is not kept names no command that could not tell of it', () => {
  const text = detachedText({ ...RUN, isKept: false }, request, plainStyle(Infinity));
  expect(text).toContain('note        This run is not kept');
  expect(text).not.toContain('media-cleanup status');
});
