import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { arenaBuffer, placeInput } from '../arena.ts';
import { emptySlots, nextTicket, SOURCE_SLOTS, scanned } from '../scanned.ts';
import { severityOf } from '../severity.ts';
import { UNBOXED } from '../unboxed.ts';
import type { Canonical } from './canonical.ts';
import { isSource, isType, TRACE_ID } from './envelope.ts';
import { CANONICAL_LENGTH, canonicalMs } from './timestamp.ts';

/** Reads records whose bytes are canonical as they were sent, at a third of the cost of `JSON.parse`. */
export interface Scan {
  /** Takes the bytes that are read next, valid UTF-8, received at `receivedMs`; false if they are more than fit. */
  load(bytes: Buffer, receivedMs: number): boolean;
  /** Whether `bytes` are what was loaded last: readers share a scan, and one may be called while another emits. */
  has(bytes: Buffer): boolean;
  /**
   * The record that starts at `from` of what was loaded and ends at `to`, or at the first LF or CR LF, without blanks
   * around. `undefined` for what is invalid, or canonical only once it is changed: `JSON.parse` has to decide. What
   * it returns never contradicts that, as the whole record is validated. A line break within stays in `head`.
   */
  read(from: number, to: number): Canonical | undefined;
  /** The position after the record that was read last. */
  end(): number;
}

/** What `wasm/scan.ts` exports. */
interface Program {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly INPUT: { readonly value: number };
  readonly INPUT_SIZE: { readonly value: number };
  readonly RESULT: { readonly value: number };
  readonly NUMBERS: { readonly value: number };
  readonly MINUTE: { readonly value: number };
  readonly MINUTE_MS: { readonly value: number };
  readonly NONE: { readonly value: number };
  readonly MEMBERS: { readonly value: number };
  readonly HASH: { readonly value: number };
  measure(isWanted: number, hashSeed: bigint): void;
  read(start: number, to: number): number;
  timestampAt(): number;
  entryAt(result: number, slot: number): number;
}

/** Results by their places. */
const SOURCE = 0;
const TYPE = 1;
const TRACE = 2;
const JOB = 3;
const LEVEL = 4;
const SPAN = 5;
const FLAGS = 6;
const LIFTED = 1;
const HAS_HOST = 2;
const MAY_END = 4;
const ENTRY_HEADER = 16;
const SPAN_ID_LENGTH = 16;
const MINUTE_LENGTH = 16;
const MINUTE_IN_MS = 60_000;

let compiled: WebAssembly.Module | undefined;

/** The first of all records: those that are read have the same members in the same order. */
void ({
  source: '',
  type: '',
  timeMs: UNBOXED,
  receivedMs: UNBOXED,
  traceId: '',
  spanId: '',
  jobId: '',
  jobIdLifted: false,
  seq: UNBOXED,
  severity: 0,
  hasHost: false,
  hasTags: false,
  head: '',
  from: 0,
  to: 0,
  value: undefined,
  flags: '',
  ticket: 0,
} satisfies Canonical);

/** Each scan has a memory of its own. Throws where WebAssembly has no SIMD. */
function instantiate(): Program {
  compiled ??= new WebAssembly.Module(readFileSync(new URL('./wasm/scan.wasm', import.meta.url)));
  return new WebAssembly.Instance(compiled).exports as unknown as Program;
}

/** Of each process another, so that nobody can tell what has the same hash. */
const SEED = randomBytes(8).readBigUInt64LE();
const MOST_MEMBERS = 16;

/**
 * Shared by readers that ask whether it still `has` theirs, after they were interrupted. While `isMeasured`, the
 * numbers of metrics, resource use and progress are read, too.
 */
export function createScan(isMeasured: () => boolean = () => false): Scan {
  const program = instantiate();
  const memory = Buffer.from(program.memory.buffer);
  const input = program.INPUT.value;
  const inputSize = program.INPUT_SIZE.value;
  const none = program.NONE.value;
  const results = new Int32Array(memory.buffer, program.RESULT.value, 8);
  const timeAndSeq = new Float64Array(memory.buffer, program.NUMBERS.value, 2);
  const members = new Float64Array(memory.buffer, program.MEMBERS.value, MOST_MEMBERS);
  /** Both halves of the hash, and how many members there are. */
  const measured = new Int32Array(memory.buffer, program.HASH.value, 3);
  const minuteMs = new Float64Array(memory.buffer, program.MINUTE_MS.value, 1);
  let end = -1;
  let loaded: Buffer | undefined;
  let receivedMs = 0;
  /** Where lines are made from: what was loaded is from `headAt` on. */
  let head: Buffer = memory;
  let headAt = input;

  /** What is known of the values in a table: made once each, so that equal ones are the identical string. */
  const valuesOf = <V>(result: number, make: (text: string) => V, slots?: number) => {
    const values = emptySlots<V>(slots);
    return (): V => {
      const slot = results[result] as number;
      if (slot >= 0) return values[slot] as V;
      const entry = program.entryAt(result, ~slot);
      const length = memory.readInt32LE(entry) - 1;
      const value = make(memory.toString('utf8', entry + ENTRY_HEADER, entry + ENTRY_HEADER + length));
      values[~slot] = value;
      return value;
    };
  };
  /** '' stands for what is not canonical. */
  const where = (isValid: (text: string) => boolean) => (text: string) => (isValid(text) ? text : '');
  const sourceOf = valuesOf(SOURCE, where(isSource), SOURCE_SLOTS);
  const typeOf = valuesOf(TYPE, where(isType));
  const traceIdOf = valuesOf(TRACE, where(TRACE_ID.test.bind(TRACE_ID)));
  const jobIdOf = valuesOf(JOB, (text) => text);
  const severity = valuesOf(LEVEL, severityOf);

  /** Of a timestamp in another minute than the one before it, which becomes the known one. */
  const timeOf = (): number => {
    const at = program.timestampAt();
    const ms = canonicalMs(memory.toString('latin1', at, at + CANONICAL_LENGTH));
    if (!Number.isNaN(ms)) {
      memory.copy(memory, program.MINUTE.value, at, at + MINUTE_LENGTH);
      minuteMs[0] = Math.floor(ms / MINUTE_IN_MS) * MINUTE_IN_MS;
    }
    return ms;
  };
  const spanIdOf = (at: number) => memory.toString('latin1', input + at, input + at + SPAN_ID_LENGTH);
  const isAbsent = (result: number) => results[result] === none;
  /** Of a slot, or the complement of one that has a new value. */
  const slotOf = (result: number) => {
    const slot = results[result] as number;
    return slot >= 0 ? slot : ~slot;
  };
  /** Hands on what else was read; its ticket. */
  const ticket = () => {
    scanned.traceSlot = slotOf(TRACE);
    scanned.jobSlot = slotOf(JOB);
    scanned.mayEnd = ((results[FLAGS] as number) & MAY_END) !== 0;
    const count = measured[2] as number;
    scanned.isMeasured = count >= 0;
    if (count >= 0) {
      scanned.hash = measured[0] as number;
      scanned.check = measured[1] as number;
      scanned.count = count;
      scanned.values = members;
    }
    return nextTicket();
  };
  let wasMeasured = false;

  return {
    load(bytes, nowMs) {
      if (bytes.length > inputSize) return false;
      loaded = bytes;
      receivedMs = nowMs;
      if (isMeasured() !== wasMeasured) {
        wasMeasured = !wasMeasured;
        program.measure(wasMeasured ? 1 : 0, SEED);
      }
      memory.set(bytes, input);
      memory[input + bytes.length] = 0;
      const placed = placeInput(bytes);
      head = placed < 0 ? memory : arenaBuffer();
      headAt = placed < 0 ? input : placed;
      return true;
    },
    has: (bytes) => bytes === loaded,
    read(from, to) {
      end = program.read(from, to);
      if (end < 0) return undefined;
      // All of them, canonical or not: a value that is new in its table is told of only once.
      const source = sourceOf();
      const type = typeOf();
      const traceId = isAbsent(TRACE) ? '' : traceIdOf();
      const jobId = isAbsent(JOB) ? '' : jobIdOf();
      const rank = isAbsent(LEVEL) ? 0 : severity();
      const knownMs = timeAndSeq[0] as number;
      const timeMs = Number.isNaN(knownMs) ? timeOf() : knownMs;
      if (source === '' || type === '' || Number.isNaN(timeMs)) return undefined;
      if (traceId === '' && !isAbsent(TRACE)) return undefined;
      const flags = results[FLAGS] as number;
      const spanAt = results[SPAN] as number;
      return {
        source,
        type,
        timeMs,
        receivedMs,
        traceId,
        spanId: spanAt === none ? '' : spanIdOf(spanAt),
        jobId,
        jobIdLifted: (flags & LIFTED) !== 0,
        seq: timeAndSeq[1] as number,
        severity: type === 'event' ? rank : 0,
        hasHost: (flags & HAS_HOST) !== 0,
        hasTags: false,
        head,
        from: headAt + from,
        to: headAt + end - 1,
        value: undefined,
        flags: '',
        ticket: ticket(),
      };
    },
    end: () => end,
  };
}
