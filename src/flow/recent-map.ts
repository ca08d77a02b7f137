/** A map that remembers what was used recently, in two generations. */
export interface RecentMap<K, V> {
  /** The value, which counts as used now. */
  get(key: K): V | undefined;
  /** The value; asking does not count as use. */
  peek(key: K): V | undefined;
  set(key: K, value: V): void;
  values(): Iterable<V>;
  size(): number;
  /** Forgets what was not used since the generations changed last. */
  forgetOlder(): void;
  /** From now on, at most so many values. */
  setMax(max: number): void;
}

/**
 * At most `max` values: once half of them were used since the last change of generations, the older ones are
 * forgotten, each through `onForget`. Nothing is ever deleted one by one: a Map that gains and loses keys for ever
 * leaves a trail of old tables, and V8 keeps what was in them until its next full collection.
 */
export function createRecentMap<K, V>(initialMax: number, onForget: (value: V) => void): RecentMap<K, V> {
  let max = initialMax;
  let young = new Map<K, V>();
  let old = new Map<K, V>();
  /** Keys that are in both. */
  let moved = 0;
  // What was asked for last is asked for again by whoever handles the same message next.
  let lastKey: K | undefined;
  let lastValue: V | undefined;

  const forgetOlder = () => {
    for (const [key, value] of old) if (!young.has(key)) onForget(value);
    old = young;
    young = new Map();
    moved = 0;
    lastKey = undefined;
    lastValue = undefined;
  };
  const set = (key: K, value: V) => {
    if (!young.has(key)) {
      if (young.size >= max / 2) forgetOlder();
      if (old.has(key)) moved++;
    }
    young.set(key, value);
    lastKey = key;
    lastValue = value;
  };
  const older = () => [...old].filter(([key]) => !young.has(key)).map(([, value]) => value);

  return {
    get(key) {
      if (key === lastKey) return lastValue;
      const found = young.get(key);
      if (found === undefined) {
        const kept = old.get(key);
        if (kept !== undefined) set(key, kept);
        return kept;
      }
      lastKey = key;
      lastValue = found;
      return found;
    },
    peek: (key) => young.get(key) ?? old.get(key),
    set,
    values: () => [...older(), ...young.values()],
    size: () => young.size + old.size - moved,
    forgetOlder,
    setMax: (next) => {
      max = next;
    },
  };
}
