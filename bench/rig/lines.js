import { closeSync, existsSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { FIRST_SEQ } from './records.js';

const BLOCK_BYTES = 1 << 20;

/** Calls `take` with each block of a file, which is valid only during the call. */
function eachBlock(path, take) {
  const file = openSync(path, 'r');
  const block = Buffer.allocUnsafe(BLOCK_BYTES);
  try {
    for (let bytes = readSync(file, block); bytes > 0; bytes = readSync(file, block))
      take(block.subarray(0, bytes));
  } finally {
    closeSync(file);
  }
}

/** Paths of all files below `folder`. */
export function filesBelow(/** @type {string} */ folder) {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

/** Number of complete lines in the files below `folder`. */
export function countLines(/** @type {string} */ folder) {
  let lines = 0;
  for (const path of filesBelow(folder)) {
    eachBlock(path, (block) => {
      for (let at = block.indexOf(10); at >= 0; at = block.indexOf(10, at + 1)) lines += 1;
    });
  }
  return lines;
}

/** When a file below `folder` was last written, in epoch µs, to the kernel's tick (1-10 ms). */
export function lastWrittenUs(/** @type {string} */ folder) {
  return Math.max(...filesBelow(folder).map((path) => statSync(path).mtimeMs * 1000));
}

const SOURCE = /^\{"source":"([^"]+)"/;
const SEQ = /"n":(\d{10})\}/;

/**
 * What was found of what a generator in mode checked has sent; disordered: there for the first time after a later one of
 * its source in the same place; foreign: lines that nobody sent.
 * @typedef {{ lines: number, lost: number, duplicated: number, disordered: number, foreign: number }} Comparison
 */

/**
 * Compares line after line with what a generator in mode checked has sent. `begin` says that another place follows.
 * @param {Record<string, number>} bySource
 * @returns {{ begin: () => void, take: (line: string) => void, lines: () => number, judge: () => Comparison }}
 */
export function createComparison(bySource) {
  const seen = new Map(Object.entries(bySource).map(([source, count]) => [source, new Uint8Array(count)]));
  const found = { lines: 0, lost: 0, duplicated: 0, disordered: 0, foreign: 0 };
  /** @type {Map<string, number>} */
  const latest = new Map();
  return {
    begin: () => latest.clear(),
    take: (line) => {
      found.lines += 1;
      const source = SOURCE.exec(line)?.[1] ?? '';
      const seqs = seen.get(source);
      const place = Number(SEQ.exec(line)?.[1]) - FIRST_SEQ;
      const times = seqs?.[place];
      if (seqs === undefined || times === undefined) found.foreign += 1;
      else seqs[place] = times + 1;
      if (times) {
        found.duplicated += 1;
        return;
      }
      if (place < (latest.get(source) ?? 0)) found.disordered += 1;
      latest.set(source, place);
    },
    lines: () => found.lines,
    judge: () => {
      let lost = 0;
      for (const seqs of seen.values()) for (const times of seqs) if (times === 0) lost += 1;
      return { ...found, lost };
    },
  };
}

/**
 * Compares what is in the files below `folder` with what a generator in mode checked has sent.
 * @param {string} folder
 * @param {Record<string, number>} bySource
 * @returns {Comparison}
 */
export function compareSeqs(folder, bySource) {
  const comparison = createComparison(bySource);
  for (const path of filesBelow(folder)) {
    comparison.begin();
    eachLine(path, comparison.take);
  }
  return comparison.judge();
}

function eachLine(path, take) {
  let rest = '';
  eachBlock(path, (block) => {
    const lines = (rest + block.toString('latin1')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) take(line);
  });
  if (rest !== '') take(rest);
}
