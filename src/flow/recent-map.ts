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

  const forgetOlder = () => {
    for (const [key, value] of old) if (!young.has(key)) onForget(value);
    old = young;
    young = new Map();
  };
  const set = (key: K, value: V) => {
    if (young.size >= max / 2 && !young.has(key)) forgetOlder();
    young.set(key, value);
  };
  const older = () => [...old].filter(([key]) => !young.has(key)).map(([, value]) => value);

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
    values: () => [...older(), ...young.values()],
    size: () => young.size + older().length,
    forgetOlder,
    setMax: (next) => {
      max = next;
    },
  };
}
