/** A value that a `RecentMap` keeps. */
export interface Aged {
  /** The map's own: the generation that it was used in last. */
  usedIn: number;
}

/** A map by text that remembers what was used recently, in two generations. */
export interface RecentMap<V extends Aged> {
  /** The value, which counts as used now. */
  get(key: string): V | undefined;
  /** The value; asking does not count as use. */
  peek(key: string): V | undefined;
  set(key: string, value: V): void;
  /** Counts a value as used now without looking it up; false if it was forgotten meanwhile. */
  touch(key: string, value: V): boolean;
  values(): Iterable<V>;
  size(): number;
  /** Forgets what was not used since the generations changed last. */
  forgetOlder(): void;
  /** From now on, at most so many values. */
  setMax(max: number): void;
}

/** Of a value that was in no map yet. */
export const UNUSED = -1;

/**
 * At most `max` values: once half of them were used since the last change of generations, the older ones are
 * forgotten, each through `onForget`. Nothing is ever deleted one by one: a Map that gains and loses keys for ever
 * leaves a trail of old tables, and V8 keeps what was in them until its next full collection.
 */
export function createRecentMap<V extends Aged>(
  initialMax: number,
  onForget: (value: V) => void,
): RecentMap<V> {
  let max = initialMax;
  /** What was used in this generation, and in the one before it. */
  let young = new Map<string, V>();
  let old = new Map<string, V>();
  let generation = 1;
  /** Keys that are in both. */
  let moved = 0;

  const forgetOlder = () => {
    for (const value of old.values()) {
      if (value.usedIn !== generation) onForget(value);
    }
    old = young;
    young = new Map();
    moved = 0;
    generation++;
  };
  const set = (key: string, value: V) => {
    // Before the generations change, so that it is not forgotten by that.
    value.usedIn = generation;
    if (young.size >= max / 2) forgetOlder();
    value.usedIn = generation;
    if (old.has(key)) moved++;
    young.set(key, value);
  };
  const touch = (key: string, value: V) => {
    if (value.usedIn === generation) return true;
    if (value.usedIn !== generation - 1) return false;
    set(key, value);
    return true;
  };
  const older = () => [...old.values()].filter(({ usedIn }) => usedIn !== generation);

  return {
    get(key) {
      const found = young.get(key);
      if (found !== undefined) return found;
      const kept = old.get(key);
      if (kept !== undefined) set(key, kept);
      return kept;
    },
    peek: (key) => young.get(key) ?? old.get(key),
    set,
    touch,
    values: () => [...older(), ...young.values()],
    size: () => young.size + old.size - moved,
    forgetOlder,
    setMax: (next) => {
      max = next;
    },
  };
}
