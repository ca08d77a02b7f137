import { type FileHandle, open, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Context } from '../../context.ts';
import { makeFolders } from '../../folders.ts';

/** How far a session is. */
export interface Mark {
  /** 32 hex digits. */
  readonly session: string;
  readonly seq: number;
  /** When it was used last, epoch milliseconds. */
  readonly usedMs: number;
}

/** Marks on disk. What is saved survives the process; after a power cut a mark may be an older one, never a newer. */
export interface Marks {
  /** What earlier processes have saved; those used last are last. */
  readonly loaded: readonly Mark[];
  /** Never rejects: a mark that is not saved costs a record sent twice, which keeps its id. */
  save(marks: readonly Mark[]): Promise<void>;
  /** Saves all that is worth keeping, and ends. */
  close(): Promise<void>;
}

/** Lines that a file may get beyond two for each session, before it is written anew. */
const SPARE_LINES = 10_000;
const NAME = /^marks\.(\d+)$/;

/**
 * Opens the marks of a folder, made with the first mark. A line that is damaged says nothing. `all` are the marks worth
 * keeping, asked when the file is written anew.
 */
export async function openMarks(
  dir: string,
  all: () => readonly Mark[],
  { log }: Pick<Context, 'log'>,
): Promise<Marks> {
  const latest = new Map<string, Mark>();
  let generation = 0;
  let older: string[] = [];
  for (const name of await readdir(dir).catch(() => [])) {
    const [, digits] = NAME.exec(name) ?? [];
    if (digits === undefined) continue;
    generation = Math.max(generation, Number(digits));
    older.push(name);
    for (const mark of await readMarks(join(dir, name))) note(latest, mark);
  }
  const loaded = [...latest.values()].sort((a, b) => a.usedMs - b.usedMs);
  let file: FileHandle | undefined;
  let lines = 0;
  let mostLines = 0;
  let isFailing = false;

  /** A file with all that is known, in place of those before it. */
  const begin = async () => {
    await makeFolders(dir, 0o750);
    const name = `marks.${++generation}`;
    const next = await open(join(dir, name), 'wx', 0o640);
    await file?.close().catch(() => {});
    file = next;
    older.push(name);
    const known = all();
    await next.appendFile(known.map(lineOf).join(''));
    // Those before it are only removed once it would survive a power cut.
    await next.datasync();
    lines = 0;
    mostLines = 2 * known.length + SPARE_LINES;
    for (const old of older) if (old !== name) await rm(join(dir, old), { force: true });
    older = [name];
    return next;
  };
  const guard = async (write: () => Promise<unknown>) => {
    try {
      await write();
      isFailing = false;
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      if (!isFailing) log.error({ dir, error: text }, 'The marks of sessions cannot be saved');
      isFailing = true;
      // A line may be there in part: what follows it would be damaged too.
      await file?.close().catch(() => {});
      file = undefined;
    }
  };

  return {
    loaded,
    save: (marks) =>
      guard(async () => {
        lines += marks.length;
        const to = file === undefined || lines > mostLines ? await begin() : file;
        await to.appendFile(marks.map(lineOf).join(''));
      }),
    close: () =>
      guard(async () => {
        if (older.length > 0) await begin();
        await file?.close();
        file = undefined;
      }),
  };
}

async function readMarks(path: string): Promise<readonly Mark[]> {
  const text = await readFile(path, 'latin1').catch(() => '');
  return text.split('\n').flatMap((line) => {
    const [, checksum, body = '', session = '', seq, usedMs] =
      /^(\d+) (([0-9a-f]{32}) (\d+) (\d+))$/.exec(line) ?? [];
    if (checksum === undefined || crc32(body) !== Number(checksum)) return [];
    return [{ session, seq: Number(seq), usedMs: Number(usedMs) }];
  });
}

function note(latest: Map<string, Mark>, mark: Mark): void {
  const before = latest.get(mark.session);
  if (before === undefined || before.seq <= mark.seq) latest.set(mark.session, mark);
}

function lineOf({ session, seq, usedMs }: Mark): string {
  const body = `${session} ${seq} ${usedMs}`;
  return `${crc32(body)} ${body}\n`;
}
