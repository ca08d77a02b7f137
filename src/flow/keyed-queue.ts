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
}

interface Node<K, V> {
  readonly key: K;
  readonly value: V;
  before: Node<K, V> | undefined;
  after: Node<K, V> | undefined;
}

export function createKeyedQueue<K, V>(): KeyedQueue<K, V> {
  const nodes = new Map<K, Node<K, V>>();
  let first: Node<K, V> | undefined;
  let last: Node<K, V> | undefined;

  const remove = (key: K): boolean => {
    const node = nodes.get(key);
    if (node === undefined) return false;
    const { before, after } = node;
    if (before === undefined) first = after;
    else before.after = after;
    if (after === undefined) last = before;
    else after.before = before;
    return nodes.delete(key);
  };
  return {
    get size() {
      return nodes.size;
    },
    get: (key) => nodes.get(key)?.value,
    has: (key) => nodes.has(key),
    set(key, value) {
      remove(key);
      const node = { key, value, before: last, after: undefined };
      if (last === undefined) first = node;
      else last.after = node;
      last = node;
      nodes.set(key, node);
    },
    delete: remove,
    *[Symbol.iterator]() {
      for (let node = first; node !== undefined; node = node.after) yield [node.key, node.value];
    },
  };
}
