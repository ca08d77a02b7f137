import type { SpoolDisk } from '../../../src/deliver/spool/disk.ts';
import type { Item } from '../../../src/deliver/spool/item.ts';
import { type Aside, openSpool, type Spool, type SpoolOptions } from '../../../src/deliver/spool/spool.ts';
import type { Message } from '../../../src/message.ts';
import { batch, message, numberOf, recordingLog } from '../fixtures.ts';
import { type ManualTime, manualTime } from './manual-time.ts';

/** An item of messages numbered so. */
export function item(of: readonly (number | Message)[], over: Partial<Item> = {}): Item {
  const messages = of.map((one) => (typeof one === 'number' ? message(one) : one));
  return {
    batch: batch(messages),
    target: { key: 't' },
    priority: 0,
    whenFull: 'spill',
    offeredMs: 1_000_000,
    sends: 0,
    failures: 0,
    ...over,
  };
}

export const DIR = '/data/spool/b';

export const SPOOL: SpoolOptions = {
  maxBytes: 1_000_000,
  maxAgeMs: 1_000_000,
  durable: true,
  groupMs: 0,
  segmentBytes: 2000,
};

/** This process, and one that never ends. */
export const PROCESSES = { self: async () => 'me', isAlive: async (name: string) => name === 'other' };

export interface Rig {
  readonly spool: Spool;
  readonly time: ManualTime;
  readonly log: ReturnType<typeof recordingLog>;
  /** `reason count`. */
  readonly lost: string[];
  /** Ids of messages that were said to be on disk. */
  readonly stored: string[];
  readonly recovered: number[];
  /** Takes all there is, in order, but for what is aside; `ack` says which are done with. */
  drain(ack?: (first: number) => boolean, aside?: Aside): Promise<number[]>;
}

/** A spool on a disk, and what it says. */
export function rig(
  disk: SpoolDisk,
  options: Partial<SpoolOptions> = {},
  time: ManualTime = manualTime(),
  dir = DIR,
): Rig {
  const log = recordingLog();
  const lost: string[] = [];
  const stored: string[] = [];
  const recovered: number[] = [];
  let seed = 1;
  const random = () => {
    seed = (seed * 16_807 + time.now()) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  const spool = openSpool(
    { dir, disk, processes: PROCESSES },
    { ...SPOOL, ...options },
    {
      changed: () => {},
      lost: (reason, messages) => lost.push(`${reason} ${messages}`),
      // Of what was only written nothing is said, whoever waits.
      isAwaited: () => options.durable !== false,
      stored: (messages) => stored.push(...messages.map(({ id }) => id)),
      recovered: (messages) => recovered.push(messages),
    },
    { scheduler: time, log, random },
  );
  const drain = async (ack: (first: number) => boolean = () => true, aside?: Aside) => {
    const numbers: number[] = [];
    for (let idle = 0; idle < 3; ) {
      const taken = spool.take(aside);
      if (taken === undefined) {
        idle++;
        await turns();
        continue;
      }
      idle = 0;
      const of = taken.item.batch.messages.map(numberOf);
      numbers.push(...of);
      if (ack(of[0] as number)) taken.done();
    }
    return numbers;
  };
  return { spool, time, log, lost, stored, recovered, drain };
}

/** Lets promises that wait for nothing but each other come to an end. */
export async function turns(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}
