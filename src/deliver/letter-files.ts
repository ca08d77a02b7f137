import { randomUUID } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

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
export function takeFile(path: string): string | undefined {
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

/** How far a file was read, in bytes. */
export interface Place {
  at: number;
}

/** The whole lines of a file from a place on, without LF; moves the place. What no LF ends is left out. */
export async function* linesOf(path: string, place: Place = { at: 0 }): AsyncGenerator<string> {
  let rest: Buffer[] = [];
  for await (const chunk of createReadStream(path, { start: place.at }) as AsyncIterable<Buffer>) {
    let from = 0;
    for (let at = chunk.indexOf(LF); at >= 0; at = chunk.indexOf(LF, from)) {
      const line = Buffer.concat([...rest, chunk.subarray(from, at)]);
      rest = [];
      from = at + 1;
      place.at += line.length + 1;
      yield line.toString();
    }
    if (from < chunk.length) rest.push(chunk.subarray(from));
  }
}

/**
 * Sorts a file's lines while others go on adding to it: `sort` gives back those that stay. If it throws, all stay.
 * What stays is held in memory until the end, and goes behind what has come meanwhile.
 */
export async function sortFile(
  path: string,
  sort: (line$: AsyncIterable<string>) => AsyncIterable<string>,
): Promise<void> {
  const taken = takeFile(path);
  if (taken === undefined) return;
  const kept: string[] = [];
  const place = { at: 0 };
  // Whoever had the file open while it was taken adds to it once more.
  for (let before = -1; before < place.at; ) {
    before = place.at;
    for await (const line of sort(linesOf(taken, place))) kept.push(`${line}\n`);
  }
  if (sizeOf(taken) > place.at) kept.push(`${readFileSync(taken).subarray(place.at)}\n`);
  if (kept.length > 0) appendLines(homeOf(path), kept.join(''));
  rmSync(taken);
}

/** Bytes of a file; 0 where there is none. */
export const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

/** How many lines a file has; 0 where there is none. */
export function countLines(path: string): number {
  if (sizeOf(path) === 0) return 0;
  return withFile(path, 'r', (file) => {
    const chunk = Buffer.alloc(65_536);
    let lines = 0;
    for (let read = readSync(file, chunk); read > 0; read = readSync(file, chunk)) {
      for (let at = chunk.indexOf(LF); at >= 0 && at < read; at = chunk.indexOf(LF, at + 1)) lines++;
    }
    return lines;
  });
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
