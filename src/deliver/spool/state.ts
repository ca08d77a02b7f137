import type { Context } from '../../context.ts';
import { type Alarm, createAlarm } from '../../flow/alarm.ts';
import type { Chain } from '../../flow/chain.ts';
import type { Message } from '../../message.ts';
import type { SpoolDisk, SpoolFile } from './disk.ts';
import type { PackedItem } from './item.ts';
import type { Lock } from './lock.ts';
import { type Outstanding, type Segment, waitingIn } from './segment.ts';

export interface SpoolOptions {
  /** Bound of what is on disk and not sent. */
  readonly maxBytes: number;
  /** What is older is given up. */
  readonly maxAgeMs: number;
  /** Whether an item can be taken only once it would survive a power cut, not just the end of the process. */
  readonly durable: boolean;
  /** How long an item that is synced waits for others to share that; what nobody is told of waits five times as long. Default 2. */
  readonly groupMs?: number;
  /** Size at which a new segment is started. Default 8 MiB. */
  readonly segmentBytes?: number;
  /** Bound of what is kept in memory although it is on disk, so that it need not be read. Default 8 MiB. */
  readonly freshBytes?: number;
}

/** Why messages in the spool are given up. */
export type LossReason = 'spool_full' | 'spool_expired' | 'spool_corrupt';

/** What a spool tells its user. */
export interface SpoolEvents {
  /** There may be more to take, less in memory, or another state of the disk. Never called inside a call. */
  readonly changed: () => void;
  readonly lost: (reason: LossReason, messages: number) => void;
  /** These, for which somebody waits, are on disk and synced now. */
  readonly stored: (messages: readonly Message[]) => void;
  /** Whether somebody waits until they are: then they are synced although the spool is not `durable`. Asked at once. */
  readonly isAwaited: (messages: readonly Message[]) => boolean;
  /** Once, after recovery: messages that were left by an earlier process. */
  readonly recovered: (messages: number) => void;
}

/** An item that is not on disk yet. */
export interface Pending {
  readonly item: PackedItem;
  /** Its messages, if somebody waits until they are synced. */
  readonly awaited: readonly Message[] | undefined;
}

/** An item that is on disk and still in memory. */
export interface Fresh {
  readonly segment: Segment;
  readonly at: number;
  readonly end: number;
  readonly item: PackedItem;
}

/** A part of a segment, read. */
export interface Loaded {
  readonly segment: Segment;
  readonly from: number;
  /** Where it was meant to end; if the file is shorter, it was cut. */
  readonly to: number;
  readonly bytes: Buffer;
}

/** All that a spool knows. States: opening (not recovered yet) → open → closed. */
export interface SpoolState {
  readonly dir: string;
  readonly disk: SpoolDisk;
  readonly context: Pick<Context, 'scheduler' | 'log' | 'random'>;
  readonly events: SpoolEvents;
  readonly lock: Lock;
  options: Required<SpoolOptions>;
  phase: 'opening' | 'open' | 'closed';
  /** In order; the active one is the last. */
  segments: Segment[];
  /** The last place that recovery has seen, of a file that could not be read included: what is new comes behind it. */
  lastSeq: number;
  active: { readonly segment: Segment; readonly file: SpoolFile } | undefined;
  /** Not on disk yet, in order; `front` goes before everything else. */
  pending: Pending[];
  pendingBytes: number;
  pendingMessages: number;
  front: Pending[];
  /** How many of `pending` are being written. */
  writing: number;
  fresh: Fresh[];
  freshBytes: number;
  loaded: Loaded | undefined;
  /** What was taken and put back, by target, in order; goes before what was not taken. */
  readonly back: Map<string, Chain<Outstanding>>;
  /** Bytes of all that was passed by. */
  passedBytes: number;
  /** A part of a segment, read for what was put back. */
  reloaded: Loaded | undefined;
  loading: Promise<void> | undefined;
  working: Promise<void> | undefined;
  /** Until no segment is being removed. */
  removing: Promise<unknown>;
  /** The disk refuses; `retryAlarm` is set. */
  failing: boolean;
  /** The disk has neither written nor refused for long. */
  hanging: boolean;
  /** At its bound, and nothing may be dropped. */
  blocked: boolean;
  /** Somebody waits until all is written. */
  flushing: boolean;
  savingCursor: Promise<void> | undefined;
  /** Of the last one that was saved. */
  cursorBytes: number;
  /** Messages that were given up since the log said so, by reason. */
  readonly unsaid: Map<LossReason, number>;
  readonly retryAlarm: Alarm;
  /** Set while the disk is at work. */
  readonly hangAlarm: Alarm;
  /** Set while a read that failed waits to be repeated. */
  readonly readAlarm: Alarm;
  readonly cursorAlarm: Alarm;
  readonly tidyAlarm: Alarm;
  readonly expiryAlarm: Alarm;
  /** Set while the log need not be told of losses. */
  readonly lossAlarm: Alarm;
}

const MIB = 2 ** 20;

/** The options with their defaults; a segment is a small part of the bound. */
export function withDefaults(options: SpoolOptions): Required<SpoolOptions> {
  const segmentBytes = Math.min(options.segmentBytes ?? 8 * MIB, Math.ceil(options.maxBytes / 4));
  return { groupMs: 2, freshBytes: 8 * MIB, ...options, segmentBytes };
}

/** What of the bound is used: files from which everything was taken go as soon as it is sent. */
export function usedBytes({ segments }: SpoolState): number {
  let sum = 0;
  for (const segment of segments) if (waitingIn(segment) > 0) sum += segment.size;
  return sum;
}

/** Messages on disk that wait to be taken. */
export function unreadMessages({ segments }: SpoolState): number {
  let sum = 0;
  for (const segment of segments) sum += waitingIn(segment);
  return sum;
}

/** Counts what waits, or waits no more. */
export function countPending(state: SpoolState, { item }: Pending, sign: 1 | -1): void {
  state.pendingBytes += sign * item.bytes;
  state.pendingMessages += sign * item.packed.count;
}

/** Whether something waits to be written. */
export const hasWork = ({ front, pending }: SpoolState): boolean => front.length > 0 || pending.length > 0;

/** Creates a state that knows nothing yet; the alarms ring for `on`. */
export function createSpoolState(
  fixed: Pick<SpoolState, 'dir' | 'disk' | 'context' | 'events' | 'lock'>,
  options: SpoolOptions,
  on: Readonly<Record<'retry' | 'hang' | 'cursor' | 'losses', () => void>>,
): SpoolState {
  const { scheduler } = fixed.context;
  return {
    ...fixed,
    options: withDefaults(options),
    phase: 'opening',
    segments: [],
    lastSeq: 0,
    active: undefined,
    pending: [],
    pendingBytes: 0,
    pendingMessages: 0,
    front: [],
    writing: 0,
    fresh: [],
    freshBytes: 0,
    loaded: undefined,
    back: new Map(),
    passedBytes: 0,
    reloaded: undefined,
    loading: undefined,
    working: undefined,
    removing: Promise.resolve(),
    failing: false,
    hanging: false,
    blocked: false,
    flushing: false,
    savingCursor: undefined,
    cursorBytes: 0,
    unsaid: new Map(),
    retryAlarm: createAlarm(scheduler, on.retry),
    hangAlarm: createAlarm(scheduler, on.hang),
    readAlarm: createAlarm(scheduler, fixed.events.changed),
    cursorAlarm: createAlarm(scheduler, on.cursor),
    tidyAlarm: createAlarm(scheduler, on.retry),
    expiryAlarm: createAlarm(scheduler, on.retry),
    lossAlarm: createAlarm(scheduler, on.losses),
  };
}

/** How many times longer a write waits for others that nobody is told of. */
const LAZINESS = 5;

/** How long what waits for the disk may wait for company. */
export function groupMsOf({ options: { durable, groupMs }, pending, flushing }: SpoolState): number {
  if (durable) return groupMs;
  if (flushing) return 0;
  return pending.some(({ awaited }) => awaited !== undefined) ? groupMs : groupMs * LAZINESS;
}
