import { append, createChain, type Link, unlink } from './chain.ts';

/**
 * A Map in the order in which its keys were set last. Its oldest entries are at hand, however many were deleted before
 * them: the iterator of a Map walks past all of those, which takes longer than all else once there are many keys.
 */
export interface KeyedQueue<K, V> extends Iterable<readonly [K, V]> {
  readonly size: number;
  get(key: K): V | undefined;
  has(key: K): boolean;
  /** Puts it at the end, also where it was there already. */
  set(key: K, value: V): void;
  delete(key: K): boolean;
  /** Entries, the oldest first; each may be deleted once it was given. */
  [Symbol.iterator](): Iterator<readonly [K, V]>;
}

export function createKeyedQueue<K, V>(): KeyedQueue<K, V> {
  const chain = createChain<readonly [K, V]>();
  const links = new Map<K, Link<readonly [K, V]>>();

  const remove = (key: K): boolean => {
    const link = links.get(key);
    if (link !== undefined) unlink(chain, link);
    return links.delete(key);
  };
  return {
    get size() {
      return links.size;
    },
    get: (key) => links.get(key)?.value[1],
    has: (key) => links.has(key),
    set(key, value) {
      remove(key);
      links.set(key, append(chain, [key, value]));
    },
    delete: remove,
    *[Symbol.iterator]() {
      for (let link = chain.first; link !== undefined; ) {
        // Whoever is given an entry may delete it.
        const { after } = link;
        yield link.value;
        link = after;
      }
    },
  };
}
