import { closeSync, openSync, readSync, watch } from 'node:fs';
import { join } from 'node:path';
import { nowUs } from './clock.js';
import { filesBelow } from './lines.js';

const BLOCK_BYTES = 1 << 20;
const MARK = Buffer.from('"ts_us":');
const CRITICAL = Buffer.from('"level":"error"');

/**
 * Follows all files in `folder` as they grow and notes, for each line, the time from its `ts_us` to the moment this
 * process could read it, in µs: of lines with level error in `critical`, of all others in `plain`.
 * @param {string} folder
 */
export function followLatencies(folder) {
  const plain = /** @type {number[]} */ ([]);
  const critical = /** @type {number[]} */ ([]);
  /** @type {Map<string, { fd: number, rest: Buffer }>} */
  const files = new Map();
  const block = Buffer.allocUnsafe(BLOCK_BYTES);

  const note = (line, us) => {
    const at = line.indexOf(MARK);
    if (at < 0) return;
    const sentUs = Number(line.latin1Slice(at + MARK.length, at + MARK.length + 16));
    (line.includes(CRITICAL) ? critical : plain).push(us - sentUs);
  };

  const readNew = (path) => {
    const file = files.get(path) ?? { fd: openSync(path, 'r'), rest: Buffer.alloc(0) };
    files.set(path, file);
    for (let bytes = readSync(file.fd, block); bytes > 0; bytes = readSync(file.fd, block)) {
      const us = nowUs();
      const text = Buffer.concat([file.rest, block.subarray(0, bytes)]);
      let from = 0;
      for (let to = text.indexOf(10); to >= 0; to = text.indexOf(10, from)) {
        note(text.subarray(from, to), us);
        from = to + 1;
      }
      file.rest = text.subarray(from);
    }
  };

  const readAll = () => filesBelow(folder).forEach(readNew);
  const watcher = watch(folder, (event, name) =>
    event === 'change' && name ? readNew(join(folder, name)) : readAll(),
  );
  const timer = setInterval(readAll, 50);
  return {
    plain,
    critical,
    /** Forgets what was noted. */
    reset: () => {
      plain.length = 0;
      critical.length = 0;
    },
    stop: () => {
      clearInterval(timer);
      watcher.close();
      readAll();
      for (const { fd } of files.values()) closeSync(fd);
    },
  };
}
