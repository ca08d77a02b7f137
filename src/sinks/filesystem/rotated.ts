import { parse } from 'node:path';

const STAMP = String.raw`\d{8}T\d{6}Z`;
const ROTATED = new RegExp(
  String.raw`^(.+)\.(${STAMP})(?:-(\d+))?(\.(?!gz(?:\.|$))[^.]*)?(?:(\.gz)(\.[0-9a-f]{8}\.tmp)?)?$`,
  's',
);
const LIKE_ROTATED = new RegExp(String.raw`\.(?=${STAMP}(?:-\d+)?(?:\.[^/\\]*)?$|(?:gz|tmp)$)`, 'g');

/** A rotated file as a folder lists it. */
export interface Rotated {
  /** Its own name. */
  readonly entry: string;
  /** Name of the file that it was. */
  readonly name: string;
  /** When it was rotated, to the second. */
  readonly timeMs: number;
  /** Tells apart those of one second. */
  readonly n: number;
  readonly form: 'plain' | 'gzip' | 'temporary';
}

/** `logs/a.jsonl` → `logs/a.20251020T103045Z.jsonl`, with `-1`, `-2` … after the time from the second on. */
export function rotatedPath(path: string, timeMs: number, n: number): string {
  const { dir, name, ext } = parse(path);
  const stamp = new Date(timeMs).toISOString().replace(/[-:]|\.\d+/g, '');
  return `${dir}/${name}.${stamp}${n === 0 ? '' : `-${n}`}${ext}`;
}

/** Reads a name that `rotatedPath` made, with or without `.gz`; `undefined` for any other. */
export function rotatedOf(entry: string): Rotated | undefined {
  const [, stem, stamp, n, ext = '', gz, tmp] = ROTATED.exec(entry) ?? [];
  if (stem === undefined || stamp === undefined) return undefined;
  const timeMs = Date.parse(stamp.replace(/(....)(..)(..)T(..)(..)(..)/, '$1-$2-$3T$4:$5:$6'));
  if (Number.isNaN(timeMs)) return undefined;
  const form = gz === undefined ? 'plain' : tmp === undefined ? 'gzip' : 'temporary';
  return { entry, name: stem + ext, timeMs, n: Number(n ?? 0), form };
}

/** Keeps the name of a file that is written apart from rotated ones, whatever its source is called. */
export const liveName = (name: string): string => name.replace(LIKE_ROTATED, '%2E');
