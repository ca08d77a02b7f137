import { Buffer } from 'node:buffer';
import { createRenderer, FIRST_SEQ } from './records.js';

/**
 * Rendered lines back to back in one buffer, with the places of what changes from one use to the next. Line i ends
 * before `ends[i]`; a place of -1 means that the line has none.
 * @typedef {{ buffer: Buffer, ends: Uint32Array, stampAt: Int32Array, traceAt: Int32Array, jobAt: Int32Array,
 *   usAt: Int32Array, seqAt: Int32Array, second: number }} Chunk
 */

/**
 * `count` chunks of `linesPerChunk` lines for one connection, its sources in turn.
 * @param {{ count: number, linesPerChunk: number, sources: readonly string[], all?: number, queues?: number,
 *   random: () => number, stamped: boolean, criticalEvery: number }} options all: sources of all connections; criticalEvery 0: none
 * @returns {Chunk[]}
 */
export function renderPool({ count, linesPerChunk, sources, all, queues, random, stamped, criticalEvery }) {
  const render = createRenderer({ random, stamped, sources: all, queues });
  let line = Math.floor(random() * (criticalEvery || 1));
  return Array.from({ length: count }, () =>
    createChunk(
      Array.from({ length: linesPerChunk }, () => {
        line += 1;
        return render(sources[line % sources.length] ?? '', criticalEvery > 0 && line % criticalEvery === 0);
      }),
    ),
  );
}

/** One critical line for each source: it makes the sidecar close the source's batch at once. */
export function renderFinish(
  /** @type {readonly string[]} */ sources,
  random,
  /** @type {boolean} */ stamped,
  all = sources.length,
) {
  const render = createRenderer({ random, stamped, sources: all });
  return createChunk(sources.map((source) => render(source, true)));
}

/** @returns {Chunk} */
function createChunk(/** @type {readonly string[]} */ lines) {
  const places = (mark) => Int32Array.from(lines, (line, index) => placeOf(line, mark, starts[index] ?? 0));
  let length = 0;
  const ends = Uint32Array.from(lines, (line) => (length += line.length));
  const starts = Uint32Array.from(lines, (line, index) => (ends[index] ?? 0) - line.length);
  return {
    buffer: Buffer.from(lines.join(''), 'latin1'),
    ends,
    stampAt: places('"timestamp":"'),
    traceAt: places('"trace_id":"'),
    jobAt: places('"job_id":"job-'),
    usAt: places('"ts_us":'),
    seqAt: places('"n":'),
    second: 0,
  };
}

function placeOf(line, mark, start) {
  const at = line.indexOf(mark);
  return at < 0 ? -1 : start + at + mark.length;
}

/** Moves a whole chunk to the present second: its timestamps (not their milliseconds), its traces and its jobs. */
export function renew(/** @type {Chunk} */ chunk, /** @type {number} */ us) {
  const second = Math.floor(us / 1e6);
  if (chunk.second === second) return;
  chunk.second = second;
  const stamp = Buffer.from(new Date(second * 1000).toISOString().slice(0, 19), 'latin1');
  const epoch = Buffer.from(second.toString(16).padStart(8, '0'), 'latin1');
  overwrite(chunk.buffer, chunk.stampAt, stamp);
  overwrite(chunk.buffer, chunk.traceAt, epoch);
  overwrite(chunk.buffer, chunk.jobAt, epoch);
}

function overwrite(buffer, places, bytes) {
  for (const at of places) if (at >= 0) buffer.set(bytes, at);
}

/** Makes lines [from, to) unique: their own sequence numbers from `seq` on, and `us` as their `ts_us`, if they have one. */
export function number(
  /** @type {Chunk} */ chunk,
  /** @type {number} */ from,
  /** @type {number} */ to,
  /** @type {number} */ seq,
  /** @type {number} */ us,
) {
  const millis = Math.floor(us / 1000) % 1000;
  for (let line = from; line < to; line++) {
    putDigits(chunk.buffer, chunk.seqAt[line] ?? -1, 10, seq + line - from);
    putDigits(chunk.buffer, (chunk.stampAt[line] ?? 0) + 20, 3, millis);
    const usAt = chunk.usAt[line] ?? -1;
    if (usAt < 0) continue;
    putDigits(chunk.buffer, usAt, 8, Math.floor(us / 1e8));
    putDigits(chunk.buffer, usAt + 8, 8, us % 1e8);
  }
}

function putDigits(buffer, at, width, value) {
  let left = value;
  for (let place = at + width - 1; place >= at; place--) {
    const rest = Math.floor(left / 10);
    buffer[place] = 48 + left - rest * 10;
    left = rest;
  }
}

/**
 * Hands out lines of a pool in a circle: the next at most `limit` lines as one slice, renewed, and in `checked` mode
 * numbered. A slice stays valid until the pool has gone round.
 * @param {readonly Chunk[]} pool
 * @param {boolean} isChecked
 */
export function createFeed(pool, isChecked) {
  let index = 0;
  let line = 0;
  let seq = FIRST_SEQ;
  return (/** @type {number} */ limit, /** @type {number} */ us) => {
    const chunk = /** @type {Chunk} */ (pool[index]);
    const to = Math.min(chunk.ends.length, line + limit);
    if (line === 0) renew(chunk, us);
    if (isChecked) number(chunk, line, to, seq, us);
    const slice = {
      bytes: chunk.buffer.subarray(chunk.ends[line - 1] ?? 0, chunk.ends[to - 1]),
      lines: to - line,
    };
    seq += slice.lines;
    line = to === chunk.ends.length ? 0 : to;
    if (line === 0) index = (index + 1) % pool.length;
    return slice;
  };
}
