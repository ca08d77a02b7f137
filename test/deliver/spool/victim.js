// Writes and reads a spool, and kills itself at a step of its life: `victim.js <folder> <step>`. Says on stdout what
// it was promised: `durable <n>` and `acked <n>`. JavaScript on the built package: it is started dozens of times.
import { writeSync } from 'node:fs';
import { asyncScheduler } from 'rxjs';
import { createBatch } from '../../../dist/batch.js';
import { realDisk } from '../../../dist/deliver/spool/disk.js';
import { linuxProcesses } from '../../../dist/deliver/spool/lock.js';
import { openSpool } from '../../../dist/deliver/spool/spool.js';
import { createMessage } from '../../../dist/message.js';

const [dir, step] = process.argv.slice(2);
let left = Number(step);
const die = () => {
  left--;
  if (left === 0) process.kill(process.pid, 'SIGKILL');
};

/** It dies before a call, which is after the one before; or in the middle of a write. */
const before =
  (call) =>
  (...given) => {
    die();
    return call(...given);
  };

const deadly = (file) => ({
  ...file,
  write: async (buffers, position) => {
    die();
    const bytes = Buffer.concat(buffers);
    await file.write([bytes.subarray(0, bytes.length >> 1)], position);
    die();
    await file.write(buffers, position);
  },
  sync: before(file.sync),
  cut: before(file.cut),
  close: before(file.close),
});

const disk = {
  ...realDisk,
  create: before(async (path) => deadly(await realDisk.create(path))),
  read: before(realDisk.read),
  replace: before(realDisk.replace),
  remove: before(realDisk.remove),
  syncDir: before(realDisk.syncDir),
};

/** An item of the message numbered so. */
function item(n) {
  const id = `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;
  const ids = { id, source: 's', traceId: '', spanId: '', jobId: '' };
  const rest = { timeMs: 0, receivedMs: 0, seq: 0, severity: 3, tail: '', parsed: undefined };
  const message = createMessage({ ...ids, ...rest, type: 'event', head: `{"n":${n}` });
  const batch = createBatch([message], message.bytes, 'count');
  const target = { key: 't' };
  return { batch, target, priority: 0, whenFull: 'spill', offeredMs: Date.now(), sends: 0, failures: 0 };
}

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const spool = openSpool(
  { dir, disk, processes: linuxProcesses },
  { maxBytes: 1e6, maxAgeMs: 1e9, durable: true, groupMs: 0, segmentBytes: 700, freshBytes: 200 },
  { changed: () => {}, lost: () => {}, stored: () => {}, isAwaited: () => true, recovered: () => {} },
  { scheduler: asyncScheduler, log: silent, random: Math.random },
);
const say = (what, n) => writeSync(1, `${what} ${n}\n`);

for (let round = 0; round < 3; round++) {
  const numbers = [round * 2, round * 2 + 1];
  for (const n of numbers) spool.append(item(n));
  if (await spool.flush()) for (const n of numbers) say('durable', n);
  const taken = spool.take();
  if (taken === undefined) continue;
  say('acked', Number(taken.item.batch.messages[0].id.slice(24)));
  taken.done();
}
spool.prepend([item(100)]);
await spool.close();
say('durable', 100);
