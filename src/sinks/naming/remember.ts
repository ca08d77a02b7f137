/** Results remembered; past it all are forgotten, so that a flood of values costs time, not memory. */
const MAX_REMEMBERED = 16_384;

type Key = string | number;

interface Node<T> {
  readonly next: Map<Key, Node<T>>;
  result?: { readonly value: T };
}

const createNode = <T>(): Node<T> => ({ next: new Map() });

/** `compute` with a bounded memory of what it gave for the same keys; a known result costs a lookup a key. */
export function remember<A, T>(
  keys: readonly ((argument: A) => Key)[],
  compute: (argument: A) => T,
): (argument: A) => T {
  let root = createNode<T>();
  let remembered = 0;

  const nodeOf = (argument: A) => {
    let node = root;
    for (const keyOf of keys) {
      const key = keyOf(argument);
      let next = node.next.get(key);
      if (next === undefined) {
        next = createNode();
        node.next.set(key, next);
      }
      node = next;
    }
    return node;
  };

  return (argument) => {
    const node = nodeOf(argument);
    if (node.result !== undefined) return node.result.value;
    const value = compute(argument);
    if (++remembered >= MAX_REMEMBERED) {
      root = createNode();
      remembered = 0;
    }
    node.result = { value };
    return value;
  };
}
