import { createHash } from 'node:crypto';
import type { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import * as zlib from 'node:zlib';

/** How an object's bytes are made of its lines. */
export interface Compression {
  /** What its key ends in. */
  readonly suffix: string;
  /** For `Content-Encoding`; `undefined` where the bytes are the lines. */
  readonly encoding: string | undefined;
  /** A new stream that compresses; absent: none. */
  readonly create?: () => Transform;
}

/** The bytes of an object. */
export interface Body {
  readonly bytes: Buffer;
  /** Of the lines, eight hexadecimal digits. */
  readonly digest: string;
}

/** In Node.js 22.15 and 23.8 and newer. */
interface WithZstd {
  readonly createZstdCompress?: (options: object) => Transform;
  readonly constants: { readonly ZSTD_c_compressionLevel?: number };
}

const CHUNK_BYTES = 256 * 1024;
const { createZstdCompress, constants } = zlib as WithZstd;

/** Whether this Node.js knows zstd. */
export const hasZstd = createZstdCompress !== undefined;

/** The compression of this name; `level` is the library's own where it is `undefined`. */
export function compressionOf(name: 'gzip' | 'zstd' | 'none', level: number | undefined): Compression {
  if (name === 'none') return { suffix: '.jsonl', encoding: undefined };
  if (name === 'gzip') {
    const create = () => zlib.createGzip({ chunkSize: CHUNK_BYTES, ...(level !== undefined && { level }) });
    return { suffix: '.jsonl.gz', encoding: 'gzip', create };
  }
  if (createZstdCompress === undefined) throw new Error('this Node.js has no zstd');
  const params = level === undefined ? {} : { [constants.ZSTD_c_compressionLevel ?? 0]: level };
  const create = () => createZstdCompress({ chunkSize: CHUNK_BYTES, params });
  return { suffix: '.jsonl.zst', encoding: 'zstd', create };
}

/**
 * Compresses lines, off the main thread; the same lines give the same bytes. Calls `onProgress` now and then; rejects
 * once `signal` aborts.
 */
export async function compress(
  lines: Iterable<Buffer>,
  { create }: Compression,
  signal: AbortSignal,
  onProgress: () => void = () => {},
): Promise<Body> {
  const hash = createHash('sha256');
  const chunks: Buffer[] = [];
  async function* hashed() {
    for (const line of lines) {
      hash.update(line);
      yield line;
      onProgress();
    }
  }
  const collect = async (source: AsyncIterable<Buffer>) => {
    for await (const chunk of source) chunks.push(chunk);
  };
  if (create === undefined) await pipeline(hashed, collect, { signal });
  else await pipeline(hashed, create(), collect, { signal });
  return { bytes: Buffer.concat(chunks), digest: hash.digest('hex').slice(0, 8) };
}
