import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterEach, jest } from '@jest/globals';
import { asyncScheduler, lastValueFrom, type SchedulerLike } from 'rxjs';
import { type Batch, createBatch, mergeBatches } from '../../src/batch.ts';
import type { Sink, SinkContext } from '../../src/deliver/sink.ts';
import { createMessage, type JsonObject, type Message, type MessageFields } from '../../src/message.ts';
import filesystem from '../../src/sinks/filesystem.ts';

let serial = 0;

/** A message whose JSON holds its source, its type and `data`. */
export function message(fields: Partial<MessageFields> = {}, data: JsonObject = {}): Message {
  const { source = 'web', type = 'event' } = fields;
  const parsed = { source, type, data };
  return createMessage({
    id: `01900000-0000-7000-8000-${String(++serial).padStart(12, '0')}`,
    source,
    type,
    timeMs: Date.UTC(2025, 9, 20, 10, 30, 45, 123),
    receivedMs: Date.UTC(2025, 9, 20, 10, 30, 46),
    traceId: '',
    spanId: '',
    jobId: '',
    seq: 0,
    severity: 0,
    head: JSON.stringify(parsed).slice(0, -1),
    tail: '',
    parsed,
    ...fields,
  });
}

/** A batch of `count` messages of a source. */
export function batch(count = 1, fields: Partial<MessageFields> = {}, data: JsonObject = {}): Batch {
  const messages = Array.from({ length: count }, () => message(fields, data));
  return createBatch(messages, count * 200, 'count');
}

export { mergeBatches };

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: object;
}

/** A context that keeps what is logged. */
export function sinkContext(
  scheduler: SchedulerLike = asyncScheduler,
): SinkContext & { readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at = (level: string) => (fields: object, text: string) =>
    void lines.push({ level, message: text, fields });
  return {
    lines,
    scheduler,
    log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') },
    counters: { received() {}, rejected() {}, batched() {}, added() {}, operatorFailed() {} },
    random: Math.random,
    backend: 'files',
    dataDir: tmpdir(),
  };
}

/** Sends as a lane does, to the address of the batch's first message. */
export function send(sink: Sink, sent: Batch, config: object = {}): Promise<unknown> {
  const target = sink.address(config).target(sent.messages[0]!);
  return lastValueFrom(sink.send(sent, target), { defaultValue: 'accepted' });
}

export const close = (sink: Sink): Promise<unknown> =>
  lastValueFrom(sink.close(), { defaultValue: 'closed' });

// Nothing here is slow; a loaded machine may be.
jest.setTimeout(120_000);

const undo: (() => unknown)[] = [];

afterEach(async () => {
  jest.restoreAllMocks();
  for (const step of undo.splice(0).reverse()) await step();
});

/** Runs `step` after the test, last registered first. */
export const afterwards = (step: () => unknown): void => void undo.push(step);

/** A folder that is deleted after the test. */
export async function tempDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'sinks-'));
  afterwards(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** A filesystem sink that is closed after the test. */
export function openFiles(base: string, options: object = {}, context: SinkContext = sinkContext()): Sink {
  const sink = filesystem.open(filesystem.options.parse({ base_path: base, ...options }), context);
  afterwards(() => close(sink));
  return sink;
}

/** The ids in a JSONL file, in order; fails on a line that is not JSON. */
export async function idsIn(path: string): Promise<string[]> {
  return idsOf(await readFile(path, 'utf8'));
}

export function idsOf(text: string): string[] {
  if (text !== '' && !text.endsWith('\n')) throw new Error(`torn: ${text.slice(-80)}`);
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line).id);
}

export const ids = (...batches: readonly Batch[]): string[] =>
  batches.flatMap(({ messages }) => messages.map(({ id }) => id));

/** Waits until `check` passes; fails with its last error after a long time. */
export async function eventually(check: () => Promise<void> | void): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      return await check();
    } catch (error) {
      if (tries > 1600) throw error;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}

/** The files of a folder that this process has open, sorted (Linux). */
export async function openIn(dir: string): Promise<string[]> {
  const open = await readdir('/proc/self/fd');
  const paths = await Promise.all(open.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
  return paths
    .filter((path) => dirname(path) === dir)
    .map((path) => basename(path))
    .sort();
}
