import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import { CENSUS, DENIED, failed } from '../../test/support/reports.ts';
import { makeStyle } from '../terminal/terminal.ts';
import { GROUPED } from './grid.ts';
import { planText } from './plan-text.ts';
import { statsText } from './stats-text.ts';
import { plainStyle } from './style.ts';
import { textWidth } from './text.ts';
import { KINDS } from './types.ts';

const RUN = {
  configFile: '/etc/media-cleanup/cleanup.config.json',
  kinds: KINDS,
  olderThan: undefined,
  cancelRunning: true,
};

describe('the plan', () => {
  test('80 columns', () => {
    expect(planText(CENSUS, RUN, plainStyle(80))).toMatchInlineSnapshot(`
      "Config: /etc/media-cleanup/cleanup.config.json

      audio-transcriber
        Redis 127.0.0.1:6379/3: 15 jobs, 3 tasks queued, 1 in flight
        49 files, 3 models, 1,645.20 MB
          Uploads            23 files    145.20 MB
            /srv/media/services/audio-transcriber/uploads
          Transcriptions     20 files      1.00 MB
            /srv/media/services/audio-transcriber/transcriptions
          Temp                6 files      0.00 MB
            /srv/media/services/audio-transcriber/temp
          Models             3 models  1,499.00 MB
            /srv/media/services/audio-transcriber/models

      audio-normalization
        Redis 127.0.0.1:6379/2: 1,204 jobs, 12 tasks queued, 0 in flight
        3,411 files, 0 models, 9,419.01 MB
          Uploads         1,700 files  4,650.63 MB
            /srv/media/services/audio-normalization/uploads
          Processed       1,711 files  4,768.37 MB  (largest)
            /srv/media/services/audio-normalization/processed
          Temp                0 files      0.00 MB
            /srv/media/services/audio-normalization/temp

      video-downloader
        Redis 127.0.0.1:6379/1: ? jobs, ? tasks queued, ? in flight
        8 files, 0 models, 4.00 MB
          Cache               8 files      4.00 MB
            /srv/media/services/video-downloader/cache
          Downloads           0 files      0.00 MB
            /srv/media/services/video-downloader/downloads
          Temp                0 files      0.00 MB
            /srv/media/services/video-downloader/temp
      ✖ video-downloader: Redis/127.0.0.1:6379/1: Connection refused → start the
        server, or correct host and port in the config

      Total: 1,219 jobs, 16 tasks, 3,468 files, 3 models, 11,068.21 MB (not everything
        could be counted)
      "
    `);
  });

  test('120 columns, one service', () => {
    expect(planText(CENSUS.slice(0, 1), RUN, plainStyle(120))).toMatchInlineSnapshot(`
      "Config: /etc/media-cleanup/cleanup.config.json

      audio-transcriber
        Redis 127.0.0.1:6379/3: 15 jobs, 3 tasks queued, 1 in flight
        49 files, 3 models, 1,645.20 MB
          Uploads         23 files    145.20 MB  /srv/media/services/audio-transcriber/uploads
          Transcriptions  20 files      1.00 MB  /srv/media/services/audio-transcriber/transcriptions
          Temp             6 files      0.00 MB  /srv/media/services/audio-transcriber/temp
          Models          3 models  1,499.00 MB  /srv/media/services/audio-transcriber/models  (largest)
      "
    `);
  });

  test('of a part names what stays and shows nothing of it', () => {
    expect(
      planText(
        CENSUS,
        { ...RUN, kinds: ['jobs', 'queue'], olderThan: undefined, cancelRunning: true },
        plainStyle(80),
      ),
    ).toMatchInlineSnapshot(`
      "Config: /etc/media-cleanup/cleanup.config.json
      Stays, not selected: files, models

      audio-transcriber
        Redis 127.0.0.1:6379/3: 15 jobs, 3 tasks queued, 1 in flight

      audio-normalization
        Redis 127.0.0.1:6379/2: 1,204 jobs, 12 tasks queued, 0 in flight

      video-downloader
        Redis 127.0.0.1:6379/1: ? jobs, ? tasks queued, ? in flight
      ✖ video-downloader: Redis/127.0.0.1:6379/1: Connection refused → start the
        server, or correct host and port in the config

      Total: 1,219 jobs, 16 tasks (not everything could be counted)
      "
    `);
  });

  test('a broker of its own has a line of its own', () => {
    const [census] = CENSUS;
    if (census === undefined) throw new Error('no sample');
    const text = planText([{ ...census, broker: 'broker:6379/0' }], RUN, plainStyle(80));
    expect(text).toContain('  Redis 127.0.0.1:6379/3: 15 jobs\n');
    expect(text).toContain('  Broker broker:6379/0: 3 tasks queued, 1 in flight\n');
    const filesOnly = { ...census, redis: undefined, broker: undefined };
    expect(planText([filesOnly], RUN, plainStyle(80))).not.toContain('Redis');
  });
});

describe('stats', () => {
  test('80 columns', () => {
    expect(statsText(CENSUS, plainStyle(80))).toMatchInlineSnapshot(`
      "Service                Jobs  Queued  In flight  Files  Models         MB
      ────────────────────────────────────────────────────────────────────────
      audio-transcriber        15       3          1     49       3   1,645.20
      audio-normalization   1,204      12          0  3,411       0   9,419.01
      video-downloader          ?       ?          ?      8       0       4.00
      ────────────────────────────────────────────────────────────────────────
      Total                1,219+     15+         1+  3,468       3  11,068.21

      audio-transcriber  Redis 127.0.0.1:6379/3
        Models             3 models  1,499.00 MB  14 %  ███████▌
          /srv/media/services/audio-transcriber/models
        Uploads            23 files    145.20 MB   1 %  ▊
          /srv/media/services/audio-transcriber/uploads
        Transcriptions     20 files      1.00 MB  <1 %  ▏
          /srv/media/services/audio-transcriber/transcriptions
        Temp                6 files      0.00 MB   0 %
          /srv/media/services/audio-transcriber/temp

      audio-normalization  Redis 127.0.0.1:6379/2
        Processed       1,711 files  4,768.37 MB  43 %  ████████████████████████
          /srv/media/services/audio-normalization/processed
        Uploads         1,700 files  4,650.63 MB  42 %  ███████████████████████▍
          /srv/media/services/audio-normalization/uploads
        Temp                0 files      0.00 MB   0 %
          /srv/media/services/audio-normalization/temp

      video-downloader  Redis 127.0.0.1:6379/1
        Cache               8 files      4.00 MB  <1 %  ▏
          /srv/media/services/video-downloader/cache
        Downloads           0 files      0.00 MB   0 %
          /srv/media/services/video-downloader/downloads
        Temp                0 files      0.00 MB   0 %
          /srv/media/services/video-downloader/temp
      ✖ video-downloader: Redis/127.0.0.1:6379/1: Connection refused → start the
        server, or correct host and port in the config
      "
    `);
  });

  test('120 columns', () => {
    expect(statsText(CENSUS, plainStyle(120))).toMatchInlineSnapshot(`
      "Service                Jobs  Queued  In flight  Files  Models         MB
      ────────────────────────────────────────────────────────────────────────
      audio-transcriber        15       3          1     49       3   1,645.20
      audio-normalization   1,204      12          0  3,411       0   9,419.01
      video-downloader          ?       ?          ?      8       0       4.00
      ────────────────────────────────────────────────────────────────────────
      Total                1,219+     15+         1+  3,468       3  11,068.21

      audio-transcriber  Redis 127.0.0.1:6379/3
        Models             3 models  1,499.00 MB  14 %  █████             /srv/media/services/audio-transcriber/models
        Uploads            23 files    145.20 MB   1 %  ▌                 /srv/media/services/audio-transcriber/uploads
        Transcriptions     20 files      1.00 MB  <1 %  ▏                 /srv/media/services/audio-transcriber/transcriptions
        Temp                6 files      0.00 MB   0 %                    /srv/media/services/audio-transcriber/temp

      audio-normalization  Redis 127.0.0.1:6379/2
        Processed       1,711 files  4,768.37 MB  43 %  ████████████████  /srv/media/services/audio-normalization/processed
        Uploads         1,700 files  4,650.63 MB  42 %  ███████████████▋  /srv/media/services/audio-normalization/uploads
        Temp                0 files      0.00 MB   0 %                    /srv/media/services/audio-normalization/temp

      video-downloader  Redis 127.0.0.1:6379/1
        Cache               8 files      4.00 MB  <1 %  ▏                 /srv/media/services/video-downloader/cache
        Downloads           0 files      0.00 MB   0 %                    /srv/media/services/video-downloader/downloads
        Temp                0 files      0.00 MB   0 %                    /srv/media/services/video-downloader/temp
      ✖ video-downloader: Redis/127.0.0.1:6379/1: Connection refused → start the server, or correct host and port in the
        config
      "
    `);
  });

  test('60 columns: the bar is shorter', () => {
    expect(statsText(CENSUS, plainStyle(60))).toMatchInlineSnapshot(`
      "      Jobs  Queued  In flight  Files  Models         MB
      ───────────────────────────────────────────────────────
      audio-transcriber
              15       3          1     49       3   1,645.20
      audio-normalization
           1,204      12          0  3,411       0   9,419.01
      video-downloader
               ?       ?          ?      8       0       4.00
      ───────────────────────────────────────────────────────
      Total
          1,219+     15+         1+  3,468       3  11,068.21

      audio-transcriber  Redis 127.0.0.1:6379/3
        Models             3 models  1,499.00 MB  14 %  ███▏
          /srv/media/services/audio-transcriber/models
        Uploads            23 files    145.20 MB   1 %  ▎
          /srv/media/services/audio-transcriber/uploads
        Transcriptions     20 files      1.00 MB  <1 %  ▏
          /srv/media/services/audio-transcriber/transcriptions
        Temp                6 files      0.00 MB   0 %
          /srv/media/services/audio-transcriber/temp

      audio-normalization  Redis 127.0.0.1:6379/2
        Processed       1,711 files  4,768.37 MB  43 %  ██████████
          /srv/media/services/audio-normalization/processed
        Uploads         1,700 files  4,650.63 MB  42 %  █████████▊
          /srv/media/services/audio-normalization/uploads
        Temp                0 files      0.00 MB   0 %
          /srv/media/services/audio-normalization/temp

      video-downloader  Redis 127.0.0.1:6379/1
        Cache               8 files      4.00 MB  <1 %  ▏
          /srv/media/services/video-downloader/cache
        Downloads           0 files      0.00 MB   0 %
          /srv/media/services/video-downloader/downloads
        Temp                0 files      0.00 MB   0 %
          /srv/media/services/video-downloader/temp
      ✖ video-downloader: Redis/127.0.0.1:6379/1: Connection
        refused → start the server, or correct host and port in
        the config
      "
    `);
  });

  test('40 columns: no bar', () => {
    expect(statsText(CENSUS.slice(0, 2), plainStyle(40))).toMatchInlineSnapshot(`
      "audio-transcriber
        Jobs              15
        Queued             3
        In flight          1
        Files             49
        Models             3
        MB          1,645.20
      audio-normalization
        Jobs           1,204
        Queued            12
        In flight          0
        Files          3,411
        Models             0
        MB          9,419.01
      Total
        Jobs           1,219
        Queued            15
        In flight          1
        Files          3,460
        Models             3
        MB         11,064.21

      audio-transcriber
        Redis 127.0.0.1:6379/3
        Models            3 models 1,499.00 MB
          /srv/media/services/audio-transcriber/models
        Uploads           23 files   145.20 MB
          /srv/media/services/audio-transcriber/uploads
        Transcriptions    20 files     1.00 MB
          /srv/media/services/audio-transcriber/transcriptions
        Temp               6 files     0.00 MB
          /srv/media/services/audio-transcriber/temp

      audio-normalization
        Redis 127.0.0.1:6379/2
        Processed      1,711 files 4,768.37 MB
          /srv/media/services/audio-normalization/processed
        Uploads        1,700 files 4,650.63 MB
          /srv/media/services/audio-normalization/uploads
        Temp               0 files     0.00 MB
          /srv/media/services/audio-normalization/temp
      "
    `);
  });

  test('without a terminal every directory has one line', () => {
    const text = statsText(CENSUS.slice(1, 2), plainStyle(Infinity, false));
    expect(text).toMatchInlineSnapshot(`
      "Service               Jobs  Queued  In flight  Files  Models        MB
      ----------------------------------------------------------------------
      audio-normalization  1,204      12          0  3,411       0  9,419.01

      audio-normalization  Redis 127.0.0.1:6379/2
        Processed  1,711 files  4,768.37 MB  51 %  ########################  /srv/media/services/audio-normalization/processed
        Uploads    1,700 files  4,650.63 MB  49 %  #######################   /srv/media/services/audio-normalization/uploads
        Temp           0 files      0.00 MB   0 %                            /srv/media/services/audio-normalization/temp
      "
    `);
  });

  test.each([true, false])('whatever the width, no figure is cut: Unicode %s', (unicode) => {
    const figures = CENSUS.flatMap(({ directories }) => directories).map(({ bytes }) =>
      GROUPED.megabytes(bytes),
    );
    for (let width = 30; width <= 140; width += 1) {
      const text = statsText(CENSUS, plainStyle(width, unicode));
      const lines = text.split('\n').filter((line) => !/\S{24}/.test(line));
      expect(Math.max(...lines.map(textWidth)), `${width} columns`).toBeLessThanOrEqual(width);
      for (const figure of figures) expect(text).toContain(figure);
      if (/[█#]{4}/.test(text)) expect(text).toContain(' 43 %');
    }
  });

  test('a directory that could not be looked at is in doubt', () => {
    const [census] = CENSUS;
    if (census === undefined) throw new Error('no sample');
    const text = statsText(
      [
        {
          ...census,
          failures: failed({ ...DENIED, target: 'Temp' }, { ...DENIED, target: 'Uploads' }),
          directories: census.directories.map((one) =>
            one.name === 'Temp' ? { ...one, files: 0 } : one,
          ),
        },
      ],
      plainStyle(120),
    );
    expect(text).toMatch(/^ {2}Temp +\? files +\? MB/m);
    expect(text).toMatch(/^ {2}Uploads +23\+ files +145\.20\+ MB/m);
  });

  test('ASCII alone', () => {
    expect(statsText(CENSUS, plainStyle(80, false))).toMatch(/^[\n\x20-\x7e]*$/);
  });

  test('colour changes no word', async () => {
    const colour = await makeStyle({ level: 1, width: 80, unicode: true });
    const text = statsText(CENSUS, colour);
    expect(text).toContain('\x1b[1m');
    expect(stripVTControlCharacters(text)).toBe(statsText(CENSUS, plainStyle(80)));
  });

  test('after a wipe all zeros', () => {
    const zeros = CENSUS.slice(0, 2).map((census) => ({
      ...census,
      jobs: 0,
      tasks: { queued: 0, inFlight: 0 },
      files: 0,
      models: 0,
      bytes: 0,
      directories: census.directories.map((directory) => ({ ...directory, files: 0, bytes: 0 })),
    }));
    expect(statsText(zeros, plainStyle(120))).toMatchInlineSnapshot(`
      "Service              Jobs  Queued  In flight  Files  Models    MB
      ─────────────────────────────────────────────────────────────────
      audio-transcriber       0       0          0      0       0  0.00
      audio-normalization     0       0          0      0       0  0.00
      ─────────────────────────────────────────────────────────────────
      Total                   0       0          0      0       0  0.00

      audio-transcriber  Redis 127.0.0.1:6379/3
        Uploads          0 files  0.00 MB  /srv/media/services/audio-transcriber/uploads
        Transcriptions   0 files  0.00 MB  /srv/media/services/audio-transcriber/transcriptions
        Temp             0 files  0.00 MB  /srv/media/services/audio-transcriber/temp
        Models          0 models  0.00 MB  /srv/media/services/audio-transcriber/models

      audio-normalization  Redis 127.0.0.1:6379/2
        Uploads          0 files  0.00 MB  /srv/media/services/audio-normalization/uploads
        Processed        0 files  0.00 MB  /srv/media/services/audio-normalization/processed
        Temp             0 files  0.00 MB  /srv/media/services/audio-normalization/temp
      "
    `);
  });
});
