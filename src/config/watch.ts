import { basename, dirname } from 'node:path';
import { type FSWatcher, watch } from 'chokidar';
import {
  defer,
  distinctUntilChanged,
  interval,
  map,
  merge,
  Observable,
  of,
  share,
  switchMap,
  tap,
} from 'rxjs';
import type { Context, Log } from '../context.ts';
import { isHidden, lookAt, placesOf, whichFolders } from './disk.ts';
import { parseSource } from './document.ts';
import { reasonOf } from './file.ts';
import type { ConfigIssue } from './issue.ts';
import { reread, type Snapshot } from './reread.ts';

/** The configuration file as it was found; what it says is for `parseConfig`. */
export type Reading = ({ readonly text: string } | { readonly error: ConfigIssue }) & {
  /** Goes up when something in the operators' folder changed; starts at 1. */
  readonly generation: number;
};

/** What is watched how; comes out of the configuration itself. */
export interface WatchSettings {
  /** The operators' folder. */
  readonly pipelines: string;
  readonly debounceMs: number;
  readonly pollMs: number;
}

export interface WatchOptions {
  /** Emits when a reading is wanted whether or not anything changed (SIGHUP). */
  readonly reload$: Observable<unknown>;
  /** Must emit on subscription; a later value takes the place of the one before. */
  readonly settings$: Observable<WatchSettings>;
  /** False for a text that is perhaps half written; it is read again before it is believed. Default: whole YAML. */
  readonly isWhole?: (text: string) => boolean;
}

/**
 * The configuration file, now and after every change of it or of the operators. A file that is missing or cannot
 * be read is a reading too. Never errors and never completes.
 */
export function config$(
  path: string,
  { reload$, settings$, isWhole = isWholeYaml }: WatchOptions,
  { scheduler, log }: Pick<Context, 'scheduler' | 'log'>,
): Observable<Reading> {
  return defer(() => {
    let settings: WatchSettings | undefined;
    const change$ = settings$.pipe(
      tap((next) => {
        settings = next;
      }),
      distinctUntilChanged((a, b) => a.pipelines === b.pipelines && a.pollMs === b.pollMs),
      // switchMap: watchers of the settings before are of no use
      switchMap(({ pipelines, pollMs }) => {
        const poll$ = interval(pollMs, scheduler).pipe(share());
        return merge(of('settings'), fileChange$(path, poll$, log), folderChange$(pipelines, poll$, log));
      }),
    );
    const look = inTurn(() => lookAt(path, settings?.pipelines ?? ''));
    return reread({
      change$,
      reload$,
      look,
      isWhole: (snapshot) => 'text' in snapshot && isWhole(snapshot.text),
      debounceMs: () => settings?.debounceMs ?? 0,
      scheduler,
    }).pipe(
      map((news) => {
        const { generation } = news;
        return 'text' in news
          ? { text: news.text, generation }
          : { error: unreadable(path, news.error), generation };
      }),
    );
  });
}

const isWholeYaml = (text: string): boolean => {
  const { root, findings } = parseSource(text);
  return root !== null && findings.length === 0;
};

const unreadable = (file: string, reason: string): ConfigIssue => ({
  file,
  line: 1,
  column: 1,
  path: '',
  message: `cannot read the file: ${reason}`,
});

/** Looks one after the other, so that a file system that hangs holds up one thread, not all of them. */
function inTurn(look: () => Promise<Snapshot>): () => Observable<Snapshot> {
  let before: Promise<unknown> = Promise.resolve();
  return () =>
    new Observable((subscriber) => {
      before = before.then(async () => {
        if (subscriber.closed) return;
        subscriber.next(await look());
        subscriber.complete();
      });
    });
}

/** Emits when the file may have changed: written, replaced, removed, or reached by another symbolic link. */
const fileChange$ = (path: string, poll$: Observable<unknown>, log: Log): Observable<unknown> =>
  watching(poll$, async () => {
    const places = await placesOf(path);
    const folders = [...new Set(places.map((place) => dirname(place)))];
    return { places, folders, start: (changed) => watchPlaces(places, folders, changed, log) };
  });

interface Watched {
  readonly places: readonly string[];
  /** The folders that are watched. */
  readonly folders: readonly string[];
  readonly start: (changed: () => void) => FSWatcher;
}

/** Emits at changes and polls, and watches anew where a place or a folder is not the one that was watched. */
const watching = (poll$: Observable<unknown>, find: () => Promise<Watched>): Observable<unknown> =>
  new Observable((subscriber) => {
    let watched = '';
    let watcher: FSWatcher | undefined;
    let isLooking = false;
    let wanted = false;
    const look = async () => {
      const { places, folders, start } = await find();
      const key = [...places, ...(await whichFolders(folders))].join('\n');
      if (subscriber.closed || key === watched) return;
      watched = key;
      void watcher?.close();
      watcher = start(changed);
    };
    // One look after the other: a file system that hangs holds up one thread, however often it is polled.
    const follow = async () => {
      wanted = true;
      if (isLooking) return;
      isLooking = true;
      while (wanted && !subscriber.closed) {
        wanted = false;
        await look().catch(() => {});
      }
      isLooking = false;
    };
    const changed = () => {
      subscriber.next('changed');
      void follow();
    };
    subscriber.add(poll$.subscribe(changed));
    void follow();
    return () => void watcher?.close();
  });

/** Calls `changed` once the places are watched, for what happened before, and then whenever one of them changes. */
function watchPlaces(
  places: readonly string[],
  folders: readonly string[],
  changed: () => void,
  log: Log,
): FSWatcher {
  const names = new Set(places.map((place) => basename(place)));
  const known = new Set([...places, ...folders]);
  const watcher = watch([...folders], {
    depth: 0,
    followSymlinks: false,
    ignoreInitial: true,
    ignored: (path) => !known.has(path),
  });
  watcher.on('all', changed);
  watcher.on('ready', changed);
  // `all` leaves out changes that follow quickly and links that are swapped; the folder's raw events have them.
  watcher.on('raw', (_event, name) => {
    if (!name || names.has(basename(name))) changed();
  });
  watcher.on('error', (error) => log.warn({ path: places[0], reason: reasonOf(error) }, NO_WATCH));
  return watcher;
}

const NO_WATCH = 'this path cannot be watched; it is looked at every `reload.poll` instead';

/** Emits when something in the folder may have changed. */
const folderChange$ = (folder: string, poll$: Observable<unknown>, log: Log): Observable<unknown> =>
  watching(poll$, async () => ({
    places: [folder],
    folders: [folder],
    start: (changed) => watchFolder(folder, changed, log),
  }));

function watchFolder(folder: string, changed: () => void, log: Log): FSWatcher {
  const watcher = watch(folder, {
    ignoreInitial: true,
    ignored: (path) => path.startsWith(folder) && path !== folder && isHidden(basename(path)),
  });
  // `raw` besides `all`, which leaves out some changes that follow quickly; the fingerprint tells what is news.
  for (const event of ['all', 'raw', 'ready'] as const) watcher.on(event, changed);
  watcher.on('error', (error) => log.warn({ path: folder, reason: reasonOf(error) }, NO_WATCH));
  return watcher;
}
