import { appendFile, mkdir, mkdtemp, realpath, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { asyncScheduler, BehaviorSubject, NEVER, Subject, type Subscription } from 'rxjs';
import { config$, type Reading, type WatchOptions, type WatchSettings } from '../../src/config/watch.ts';

jest.setTimeout(60_000);

let folder: string;
let open: Subscription[];
const at = (...names: string[]) => join(folder, ...names);
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'config-watch-')));
  await mkdir(at('pipelines'));
  open = [];
});
afterEach(async () => {
  for (const subscription of open) subscription.unsubscribe();
  await rm(folder, { recursive: true });
});

/** No test passes by polling, unless it says so. */
const NO_POLL_MS = 3_600_000;
const settings = (more: Partial<WatchSettings> = {}): WatchSettings => ({
  pipelines: at('pipelines'),
  debounceMs: 20,
  pollMs: NO_POLL_MS,
  ...more,
});

const log = { debug: jest.fn(), info: jest.fn(), warn: jest.fn(), error: jest.fn() };

/** Watches a file and lets a test wait for its readings. */
function watching(path: string, options: Partial<WatchOptions> = {}) {
  const readings: Reading[] = [];
  let wake = () => {};
  const settings$ = options.settings$ ?? new BehaviorSubject(settings());
  const subscription = config$(
    path,
    { reload$: NEVER, ...options, settings$ },
    { scheduler: asyncScheduler, log },
  ).subscribe({
    next: (reading) => {
      readings.push(reading);
      wake();
    },
    error: (error) => readings.push({ text: `ERROR ${error}`, generation: -1 }),
    complete: () => readings.push({ text: 'COMPLETE', generation: -1 }),
  });
  open.push(subscription);
  const until = async (wanted: (reading: Reading) => boolean): Promise<Reading> => {
    for (;;) {
      const found = readings.find(wanted);
      if (found) return found;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  const text = (wanted: string) => until((reading) => 'text' in reading && reading.text === wanted);
  const failure = () => until((reading) => 'error' in reading);
  return { readings, until, text, failure, subscription };
}

/** Changes the file until the watcher, which may not be up yet, has noticed; returns the text it saw. */
async function noticed(
  watched: ReturnType<typeof watching>,
  write: (text: string) => Promise<unknown>,
): Promise<void> {
  for (let i = 0; !watched.subscription.closed; i++) {
    await write(`probe: ${i}\n`);
    const seen = watched.until((reading) => 'text' in reading && reading.text.startsWith('probe'));
    const pause = new Promise((resolve) => setTimeout(resolve, 200, 'again'));
    if ((await Promise.race([seen, pause])) !== 'again') return;
  }
}

const texts = (readings: readonly Reading[]) =>
  readings.map((reading) => ('text' in reading ? reading.text : 'error'));

describe('a plain file', () => {
  const path = () => at('x.yaml');
  let watched: ReturnType<typeof watching>;
  beforeEach(async () => {
    await writeFile(path(), 'first: 1\n');
    watched = watching(path());
    await watched.text('first: 1\n');
    await noticed(watched, (text) => writeFile(path(), text));
  });

  test('is read at once', () => {
    expect(watched.readings[0]).toEqual({ text: 'first: 1\n', generation: 1 });
  });

  test('written in place', async () => {
    await writeFile(path(), 'written: 1\n');
    await watched.text('written: 1\n');
  });

  test('replaced by renaming another over it, as editors do, again and again', async () => {
    for (const i of [1, 2, 3, 4, 5]) {
      await writeFile(at('.x.yaml.tmp'), `renamed: ${i}\n`);
      await rename(at('.x.yaml.tmp'), path());
      await watched.text(`renamed: ${i}\n`);
    }
  });

  test('moved away to a backup and written anew', async () => {
    await rename(path(), at('x.yaml~'));
    await writeFile(path(), 'anew: 1\n');
    await watched.text('anew: 1\n');
    await writeFile(path(), 'anew: 2\n');
    await watched.text('anew: 2\n');
  });

  test('deleted is a reading; so is its return', async () => {
    await rm(path());
    expect(await watched.failure()).toMatchObject({
      error: { file: path(), line: 1, column: 1, path: '', message: 'cannot read the file: no such file' },
    });
    await writeFile(path(), 'back: 1\n');
    await watched.text('back: 1\n');
    await writeFile(path(), 'back: 2\n');
    await watched.text('back: 2\n');
  });

  test('half written is not told', async () => {
    await writeFile(path(), 'routing: {\n');
    await new Promise((resolve) => setTimeout(resolve, 60));
    await appendFile(path(), '}\n');
    await watched.text('routing: {\n}\n');
    expect(texts(watched.readings)).not.toContain('routing: {\n');
  });

  test('left half written is told in the end', async () => {
    await writeFile(path(), 'routing: {\n');
    await watched.text('routing: {\n');
  });

  test('emptied and filled is told once', async () => {
    const before = watched.readings.length;
    await writeFile(path(), '');
    await writeFile(path(), 'filled: 1\n');
    await watched.text('filled: 1\n');
    expect(watched.readings).toHaveLength(before + 1);
  });

  test('saved in a burst ends with the last text, and tells no more than its pauses', async () => {
    const before = watched.readings.length;
    const startMs = performance.now();
    for (let i = 0; i < 200; i++) await writeFile(path(), `burst: ${i}\n`);
    await watched.text('burst: 199\n');
    // However slow the saves are: each reading has its pause before it.
    const pauses = (performance.now() - startMs) / settings().debounceMs;
    expect(watched.readings.length - before).toBeLessThan(pauses + 2);
    expect(texts(watched.readings).at(-1)).toBe('burst: 199\n');
  });

  test('saved unchanged is not told', async () => {
    const before = texts(watched.readings).at(-1) ?? '';
    await writeFile(path(), before);
    await writeFile(path(), before);
    await writeFile(path(), 'other: 1\n');
    await watched.text('other: 1\n');
    const all = texts(watched.readings);
    expect(all.filter((text) => text === before)).toHaveLength(1);
  });

  test('too large, or no text, is told as unreadable', async () => {
    await writeFile(path(), 'x'.repeat(2 ** 20 + 1));
    expect(await watched.failure()).toMatchObject({
      error: { message: expect.stringMatching(/larger than 1048576/) },
    });
    await writeFile(path(), Buffer.from([0xff, 0xfe, 0x00]));
    await watched.until(
      (reading) => 'error' in reading && reading.error.message.endsWith('it is not UTF-8 text'),
    );
  });

  test('turned into a folder and back', async () => {
    await rm(path());
    await mkdir(path());
    await watched.until(
      (reading) => 'error' in reading && reading.error.message.endsWith('not a regular file'),
    );
    await rm(path(), { recursive: true });
    await writeFile(path(), 'file: 1\n');
    await watched.text('file: 1\n');
  });
});

describe('symbolic links', () => {
  /** Swaps the whole folder at once, as the kubelet does for a ConfigMap. */
  const swap = async (version: number, text: string) => {
    await mkdir(at(`..v${version}`));
    await writeFile(at(`..v${version}`, 'x.yaml'), text);
    await symlink(`..v${version}`, at('..data_tmp'));
    await rename(at('..data_tmp'), at('..data'));
    if (version > 1) await rm(at(`..v${version - 1}`), { recursive: true });
  };

  test('a swapped ConfigMap is noticed every time', async () => {
    await swap(1, 'v: 1\n');
    await symlink('..data/x.yaml', at('x.yaml'));
    const watched = watching(at('x.yaml'));
    await watched.text('v: 1\n');
    let version = 1;
    await noticed(watched, (text) => swap(++version, text));
    for (const last of [version + 1, version + 2, version + 3]) {
      await swap(last, `v: ${last}\n`);
      await watched.text(`v: ${last}\n`);
    }
    expect(texts(watched.readings)).not.toContain('error');
  });

  test('a link in the middle of the path, in another folder, is noticed', async () => {
    for (const release of ['a', 'b', 'c']) {
      await mkdir(at('releases', release), { recursive: true });
      await writeFile(at('releases', release, 'x.yaml'), `release: ${release}\n`);
    }
    const point = async (release: string) => {
      await symlink(join('releases', release), at('next'));
      await rename(at('next'), at('current'));
    };
    await point('a');
    await mkdir(at('etc'));
    await symlink('../current/x.yaml', at('etc', 'x.yaml'));
    const watched = watching(at('etc', 'x.yaml'));
    await watched.text('release: a\n');
    await noticed(watched, (text) => writeFile(at('releases', 'a', 'x.yaml'), text));
    await point('b');
    await watched.text('release: b\n');
    await point('c');
    await watched.text('release: c\n');
    await writeFile(at('releases', 'c', 'x.yaml'), 'edited: c\n');
    await watched.text('edited: c\n');
  });
});

describe('the operators', () => {
  test('that change tell the same text with a new generation', async () => {
    await writeFile(at('x.yaml'), 'a: 1\n');
    await writeFile(at('pipelines', 'a.ts'), '1');
    const watched = watching(at('x.yaml'));
    await watched.text('a: 1\n');
    await noticed(watched, (text) => writeFile(at('x.yaml'), text));
    const { generation } = watched.readings.at(-1)!;

    const changes: (() => Promise<unknown>)[] = [
      () => writeFile(at('pipelines', 'a.ts'), '2'),
      () => writeFile(at('pipelines', 'b.ts'), 'x'),
      () => rename(at('pipelines', 'b.ts'), at('pipelines', 'a.ts')),
      () => rm(at('pipelines', 'a.ts')),
    ];
    for (const [index, change] of changes.entries()) {
      const before = watched.readings.at(-1)!.generation;
      await change();
      const after = await watched.until((reading) => reading.generation > before);
      expect(after.generation).toBeGreaterThanOrEqual(generation + index + 1);
      expect(texts([after])[0]).toMatch(/^probe/);
    }
  });

  test('in a folder that is made later', async () => {
    await rm(at('pipelines'), { recursive: true });
    await writeFile(at('x.yaml'), 'a: 1\n');
    const watched = watching(at('x.yaml'));
    await watched.text('a: 1\n');
    await noticed(watched, (text) => writeFile(at('x.yaml'), text));
    const { generation } = watched.readings.at(-1)!;
    await mkdir(at('pipelines'));
    await writeFile(at('pipelines', 'a.ts'), '1');
    await watched.until((reading) => reading.generation > generation);
  });
});

describe('settings', () => {
  test('another folder of operators is watched from then on', async () => {
    await writeFile(at('x.yaml'), 'a: 1\n');
    await mkdir(at('other'));
    const settings$ = new BehaviorSubject(settings());
    const watched = watching(at('x.yaml'), { settings$ });
    await watched.text('a: 1\n');
    settings$.next(settings({ pipelines: at('other') }));
    await watched.until(({ generation }) => generation === 2);
    await noticed(watched, (text) => writeFile(at('x.yaml'), text));
    const { generation } = watched.readings.at(-1)!;
    await writeFile(at('other', 'a.ts'), '1');
    await watched.until((reading) => reading.generation > generation);
  });

  test('polling finds what no watcher reports', async () => {
    await mkdir(at('away'));
    await writeFile(at('away', 'x.yaml'), 'a: 1\n');
    const watched = watching(at('away', 'x.yaml'), {
      settings$: new BehaviorSubject(settings({ pollMs: 50 })),
    });
    await watched.text('a: 1\n');
    // The whole folder is replaced, so that no watcher looks at the right one.
    for (const i of [2, 3]) {
      await mkdir(at('new'));
      await writeFile(at('new', 'x.yaml'), `a: ${i}\n`);
      await rename(at('away'), at(`old${i}`));
      await rename(at('new'), at('away'));
      await watched.text(`a: ${i}\n`);
    }
  });

  test('a poll finds folders that were replaced; they are watched from then on', async () => {
    const pollMs = 4000;
    const settings$ = new BehaviorSubject(settings({ pollMs, pipelines: at('away', 'pipelines') }));
    await mkdir(at('away', 'pipelines'), { recursive: true });
    await writeFile(at('away', 'x.yaml'), 'a: 1\n');
    const watched = watching(at('away', 'x.yaml'), { settings$ });
    await watched.text('a: 1\n');
    await rm(at('away'), { recursive: true });
    await watched.failure();
    await mkdir(at('away', 'pipelines'), { recursive: true });
    const edit = async (text: string) => {
      const { generation } = watched.readings.at(-1)!;
      await writeFile(at('away', 'x.yaml'), text);
      await watched.text(text);
      await writeFile(at('away', 'pipelines', 'a.ts'), text);
      await watched.until((reading) => reading.generation > generation);
    };
    await edit('a: 2\n');
    await edit('a: 3\n');
    const before = Date.now();
    for (const i of [4, 5, 6, 7]) await edit(`a: ${i}\n`);
    // Polls alone take one for each of eight changes.
    expect(Date.now() - before).toBeLessThan(6 * pollMs);
  }, 120_000);
});

describe('a wish to reload', () => {
  test('tells the same again', async () => {
    await writeFile(at('x.yaml'), 'a: 1\n');
    const reload$ = new Subject<void>();
    const watched = watching(at('x.yaml'), { reload$ });
    await watched.text('a: 1\n');
    reload$.next();
    await watched.until(() => watched.readings.length === 2);
    expect(texts(watched.readings)).toEqual(['a: 1\n', 'a: 1\n']);
  });

  test('is met for a file that was never there', async () => {
    const reload$ = new Subject<void>();
    const watched = watching(at('none', 'x.yaml'), { reload$ });
    await watched.failure();
    await mkdir(at('none'));
    await writeFile(at('none', 'x.yaml'), 'a: 1\n');
    reload$.next();
    await watched.text('a: 1\n');
  });
});

test('a half-written text is what the caller says it is', async () => {
  await writeFile(at('x.yaml'), 'a: 1\n');
  const reload$ = new Subject<void>();
  const asked: string[] = [];
  const isWhole = (text: string) => {
    asked.push(text);
    return asked.length > 2;
  };
  const watched = watching(at('x.yaml'), { reload$, isWhole });
  await watched.text('a: 1\n');
  await writeFile(at('x.yaml'), 'b: 1\n');
  reload$.next();
  await watched.text('b: 1\n');
  expect(asked.slice(0, 3)).toEqual(['b: 1\n', 'b: 1\n', 'b: 1\n']);
});

test('nothing goes on after the end', async () => {
  await writeFile(at('x.yaml'), 'a: 1\n');
  const watched = watching(at('x.yaml'), { settings$: new BehaviorSubject(settings({ pollMs: 10 })) });
  await watched.text('a: 1\n');
  watched.subscription.unsubscribe();
  await writeFile(at('x.yaml'), 'a: 2\n');
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(texts(watched.readings)).toEqual(['a: 1\n']);
});
