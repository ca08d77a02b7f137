// Loaded into the sidecar by NODE_OPTIONS=--import: notes when critical messages reach the process and when they
// reach `sink.send`. The program itself is unchanged. At its end it writes the samples to a file of BENCH_STAMPS.
import { mkdirSync, writeFileSync } from 'node:fs';
import { register } from 'node:module';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { nowUs } from './clock.js';

const LEVEL = Buffer.from('"level":"error"');
const SOURCE = /^\{"source":"([^"]+)"/;
const SEQ = /"n":(\d{10})/;
const SENT = /"ts_us":(\d{16})/;

/** Moments of arrival by `source seq`, in epoch µs, of critical messages that no sink has seen yet. */
const arrivals = new Map();
/** @type {[arrivedUs: number, receivedToSendUs: number, sentToSendUs: number][]} */
const samples = [];

/** Notes the critical lines that lie whole within a chunk; the few that are cut in two are not counted. */
function noteArrivals(chunk) {
  const us = nowUs();
  for (let at = chunk.indexOf(LEVEL); at >= 0; at = chunk.indexOf(LEVEL, at + 1)) {
    const start = chunk.lastIndexOf(10, at) + 1;
    const end = chunk.indexOf(10, at);
    if (end >= 0) arrivals.set(keyOf(chunk.latin1Slice(start, end)), us);
  }
}

const keyOf = (text) => `${SOURCE.exec(text)?.[1]} ${SEQ.exec(text)?.[1]}`;

/** A sink's definition whose sinks note each call of `send`. */
export function stamped(definition) {
  const open = (options, context) => {
    const sink = definition.open(options, context);
    return { ...sink, send: (batch, target) => sink.send(noteSend(batch), target) };
  };
  return { ...definition, open };
}

function noteSend(batch) {
  const us = nowUs();
  for (const { severity, text, start, bytes } of batch.messages) {
    if (severity < 5) continue;
    const line = text.toString('latin1', start, start + bytes);
    const key = keyOf(line);
    const arrivedUs = arrivals.get(key);
    if (arrivedUs === undefined || !arrivals.delete(key)) continue;
    samples.push([arrivedUs, us - arrivedUs, us - Number(SENT.exec(line)?.[1])]);
  }
  return batch;
}

Socket.prototype.push = function push(chunk, encoding) {
  if (chunk !== null) noteArrivals(chunk);
  return Readable.prototype.push.call(this, chunk, encoding);
};
register('./stamp-hooks.js', import.meta.url);
process.on('exit', () => {
  const folder = process.env.BENCH_STAMPS;
  if (folder === undefined) return;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${process.pid}.json`), JSON.stringify(samples));
});
