// What goes wrong when: a pure function of a seed.

/** What can be harmed. The faults of one subject follow each other; those of different subjects overlap. */
export type Subject = 'sidecar' | 'network' | 'database' | 'disk' | 'folder' | 'clock';

/** One thing that goes wrong for a while. */
export interface Fault {
  /** Milliseconds after the start. */
  readonly atMs: number;
  /** How long it lasts. */
  readonly forMs: number;
  readonly subject: Subject;
  readonly kind: string;
  /** How bad: bytes that pass before a cut, milliseconds that a clock jumps, and so on. */
  readonly amount: number;
}

/** All that goes wrong in one run. */
export interface Schedule {
  readonly seed: number;
  readonly faults: readonly Fault[];
}

/** A pseudo-random generator (mulberry32) of numbers from 0 up to 1. */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** How long faults begin. */
const LENGTH_MS = 1500;

interface Kind {
  readonly subject: Subject;
  readonly kind: string;
  /** The longest and the least it lasts. */
  readonly forMs: readonly [least: number, most: number];
  readonly amount?: readonly [least: number, most: number];
}

const HOUR_MS = 3_600_000;

/** All kinds of faults. */
const KINDS: readonly Kind[] = [
  { subject: 'sidecar', kind: 'SIGKILL', forMs: [0, 300] },
  { subject: 'sidecar', kind: 'SIGKILL', forMs: [0, 0] },
  { subject: 'sidecar', kind: 'SIGSTOP', forMs: [50, 1500] },
  { subject: 'network', kind: 'reset', forMs: [0, 600] },
  { subject: 'network', kind: 'black hole', forMs: [200, 1500] },
  { subject: 'network', kind: 'cut after', forMs: [100, 500], amount: [1, 100_000] },
  { subject: 'network', kind: 'cut the answer after', forMs: [100, 500], amount: [1, 2000] },
  { subject: 'network', kind: 'delay', forMs: [100, 800], amount: [1, 100] },
  { subject: 'database', kind: 'kill', forMs: [0, 600] },
  { subject: 'disk', kind: 'full', forMs: [50, 800] },
  { subject: 'folder', kind: 'gone', forMs: [50, 800] },
  { subject: 'clock', kind: 'jump', forMs: [0, 800], amount: [-HOUR_MS, HOUR_MS] },
];

/** The schedule of a seed; `isPossible` leaves out what this machine does not let happen, and changes nothing else. */
export function scheduleOf(seed: number, isPossible: (subject: Subject) => boolean): Schedule {
  const random = createRandom(seed);
  const between = ([least, most]: readonly [number, number]) => Math.round(least + random() * (most - least));
  const faults = Array.from({ length: between([2, 8]) }, (): Fault => {
    const { subject, kind, forMs, amount = [0, 0] } = KINDS[Math.floor(random() * KINDS.length)]!;
    return { atMs: between([0, LENGTH_MS]), forMs: between(forMs), subject, kind, amount: between(amount) };
  });
  const possible = faults.filter(({ subject }) => isPossible(subject));
  return { seed, faults: possible.sort((a, b) => a.atMs - b.atMs) };
}

/** A schedule in one line. */
export const describeSchedule = ({ faults }: Schedule): string =>
  faults
    .map(({ atMs, forMs, subject, kind, amount }) => {
      const how = amount === 0 ? kind : `${kind} ${amount}`;
      return `${atMs} ms ${subject}: ${how}${forMs === 0 ? '' : ` for ${forMs} ms`}`;
    })
    .join('; ');
