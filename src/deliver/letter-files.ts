import { randomUUID } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  linkSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';

const LF = 0x0a;
/** What is written now, the older one, and what somebody took to sort it and could not finish with. */
const NAME = /^(.+\.ndjson)(\.1|\.taken-[\w-]+)?$/;

/** The files of dead letters in a folder: of each backend the older one, then what is written now; none without one. */
export function letterFiles(dir: string): readonly string[] {
  let names: string[] = [];
  try {
    const entries = readdirSync(dir, { withFileTypes: true }).filter((entry) => !entry.isDirectory());
    names = entries.map(({ name }) => name).filter((name) => NAME.test(name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  // What was taken comes last: what stays of it goes where it is not looked at again.
  const key = (name: string) => name.replace(NAME, (_, base, part = '.2') => `${base}/${part}`);
  return names.sort((a, b) => (key(a) < key(b) ? -1 : 1)).map((name) => join(dir, name));
}

/** Where letters that were taken belong. */
const homeOf = (path: string): string => path.replace(/(\.ndjson)\.taken-[\w-]+$/, '$1');

/**
 * Takes a file away from whoever adds letters to it, who will begin a new one; returns where it is now. It is a file
 * of dead letters as before, so that nothing is lost if the one who took it dies. `undefined` if there is none.
 */
function takeFile(path: string): string | undefined {
  const taken = `${path.replace(/\.(1|taken-[\w-]+)$/, '')}.taken-${randomUUID()}`;
  try {
    renameSync(path, taken);
    return taken;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Adds whole lines to a file, ending first what a crash left there of one. */
export function appendLines(path: string, lines: string | Uint8Array): void {
  withFile(path, 'a+', (file) => {
    if (!endsWhole(file)) writeFileSync(file, '\n');
    writeFileSync(file, lines);
  });
}

/** The whole lines of a file, without LF. What no LF ends is left out. */
export const linesOf = (path: string): AsyncIterable<string> => linesInTurns(piecesOf(path, { at: 0 }));

/**
 * Sorts a file's lines while others go on adding to it: `sort` gives back those that stay. If it throws, all stay.
 * What stays goes behind what has come meanwhile.
 */
export async function sortFile(
  path: string,
  sort: (line$: AsyncIterable<string>) => AsyncIterable<string>,
): Promise<void> {
  const sorting = beginSorting(path);
  if (sorting === undefined) return;
  try {
    for (const piece$ of sorting.readings()) {
      for await (const line of sort(linesInTurns(piece$))) sorting.keep(line);
    }
    sorting.finish(homeOf(path));
  } finally {
    sorting.close();
  }
}

/** Removes lines of a file; returns how many. */
export function removeLines(path: string, isMeant: (line: string) => boolean): number {
  const sorting = beginSorting(path);
  if (sorting === undefined) return 0;
  let removed = 0;
  try {
    for (const piece$ of sorting.readings()) {
      for (const piece of piece$) {
        for (const line of linesIn(piece)) {
          if (isMeant(line)) removed++;
          else sorting.keep(line);
        }
      }
    }
    sorting.finish(path);
  } finally {
    sorting.close();
  }
  return removed;
}

/** A file that was taken, and beside it what stays of it. */
interface Sorting {
  /** Its lines in pieces, then those of whoever had it open while it was taken and added to it once more. */
  readings(): Iterable<Iterable<Buffer>>;
  keep(line: string): void;
  /** Puts what stays, and the end that is no line, in the place of all, and behind what `home` has by now. */
  finish(home: string): void;
  /** Without `finish` all stay. */
  close(): void;
}

/** Bytes that are read or written at once. */
const PIECE_BYTES = 65_536;

function beginSorting(path: string): Sorting | undefined {
  const taken = takeFile(path);
  if (taken === undefined) return undefined;
  // Of somebody who could not finish.
  rmSync(keptOf(path), { force: true });
  const kept = openSync(keptOf(taken), 'wx', 0o640);
  const place = { at: 0 };
  let text = '';
  return {
    *readings() {
      for (let before = -1; before < place.at; ) {
        before = place.at;
        yield piecesOf(taken, place);
      }
    },
    keep(line) {
      text += `${line}\n`;
      if (text.length < PIECE_BYTES) return;
      writeFileSync(kept, text);
      text = '';
    },
    finish(home) {
      writeFileSync(kept, text);
      if (sizeOf(taken) > place.at) {
        for (const chunk of chunksOf(taken, place.at)) writeFileSync(kept, chunk);
        writeFileSync(kept, '\n');
      }
      renameSync(keptOf(taken), taken);
      if (sizeOf(taken) > 0) addFile(home, taken);
      rmSync(taken);
    },
    close() {
      closeSync(kept);
      rmSync(keptOf(taken), { force: true });
    },
  };
}

/** Where what stays of a file that was taken is gathered: no file of dead letters yet. */
const keptOf = (path: string): string => `${path}.kept`;

/** Adds a file's lines to another; where there is none, it is the other from now on. */
function addFile(path: string, from: string): void {
  try {
    linkSync(from, path);
  } catch {
    for (const lines of piecesOf(from, { at: 0 })) appendLines(path, lines);
  }
}

/** How far a file was read, in bytes. */
interface Place {
  at: number;
}

/** The lines of pieces, without LF; others have their turn between two pieces. */
async function* linesInTurns(piece$: Iterable<Buffer>): AsyncGenerator<string> {
  for (const piece of piece$) {
    yield* linesIn(piece);
    await nextTurn();
  }
}

function* linesIn(piece: Buffer): Generator<string> {
  let from = 0;
  for (let at = piece.indexOf(LF); at >= 0; at = piece.indexOf(LF, from)) {
    yield piece.toString('utf8', from, at);
    from = at + 1;
  }
}

/** The whole lines of a file from a place on, some at once, with LF; moves the place. */
function* piecesOf(path: string, place: Place): Generator<Buffer> {
  let rest: Buffer[] = [];
  for (const chunk of chunksOf(path, place.at)) {
    const end = chunk.lastIndexOf(LF) + 1;
    if (end > 0) {
      const piece = Buffer.concat([...rest, chunk.subarray(0, end)]);
      rest = [];
      place.at += piece.length;
      yield piece;
    }
    if (end < chunk.length) rest.push(chunk.subarray(end));
  }
}

/** A file's bytes from a place on. */
function* chunksOf(path: string, from: number): Generator<Buffer> {
  const file = openSync(path, 'r');
  try {
    for (let at = from; ; ) {
      const chunk = Buffer.allocUnsafe(PIECE_BYTES);
      const bytes = readSync(file, chunk, 0, PIECE_BYTES, at);
      if (bytes === 0) return;
      at += bytes;
      yield chunk.subarray(0, bytes);
    }
  } finally {
    closeSync(file);
  }
}

/** Bytes of a file; 0 where there is none. */
export const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

/** How many lines a file has; 0 where there is none. */
export function countLines(path: string): number {
  if (sizeOf(path) === 0) return 0;
  let lines = 0;
  for (const chunk of chunksOf(path, 0)) {
    for (let at = chunk.indexOf(LF); at >= 0; at = chunk.indexOf(LF, at + 1)) lines++;
  }
  return lines;
}

/** The first bytes of a file as text. */
export const startOf = (path: string, bytes: number): string =>
  withFile(path, 'r', (file) => {
    const start = Buffer.alloc(bytes);
    return start.subarray(0, readSync(file, start)).toString();
  });

function withFile<T>(path: string, flags: string, use: (file: number) => T): T {
  const file = openSync(path, flags, 0o640);
  try {
    return use(file);
  } finally {
    closeSync(file);
  }
}

function endsWhole(file: number): boolean {
  const { size } = fstatSync(file);
  const last = Buffer.alloc(1);
  return size === 0 || readSync(file, last, 0, 1, size - 1) === 0 || last[0] === LF;
}
