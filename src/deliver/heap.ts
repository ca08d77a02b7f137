/** An item that knows its place; -1 in no heap. In one heap at a time. */
export interface Slotted {
  slot: number;
}

/** A binary heap whose items can be taken out from the middle, in O(log n). */
export interface Heap<T extends Slotted> {
  /** The item before all others. */
  first(): T | undefined;
  push(item: T): void;
  /** Takes out an item of this heap. */
  remove(item: T): void;
  /** All items, in no order; a copy. */
  items(): T[];
}

/** The order of an item must not change while it is in the heap. */
export function createHeap<T extends Slotted>(isBefore: (a: T, b: T) => boolean): Heap<T> {
  const items: T[] = [];

  const put = (item: T, slot: number) => {
    items[slot] = item;
    item.slot = slot;
  };

  const rise = (item: T, from: number) => {
    let slot = from;
    while (slot > 0) {
      const parent = items[(slot - 1) >> 1];
      if (parent === undefined || !isBefore(item, parent)) break;
      put(parent, slot);
      slot = (slot - 1) >> 1;
    }
    put(item, slot);
  };

  const sink = (item: T, from: number) => {
    let slot = from;
    for (;;) {
      const left = items[2 * slot + 1];
      const right = items[2 * slot + 2];
      const child = right !== undefined && left !== undefined && isBefore(right, left) ? right : left;
      if (child === undefined || !isBefore(child, item)) break;
      const vacated = child.slot;
      put(child, slot);
      slot = vacated;
    }
    put(item, slot);
  };

  return {
    first: () => items[0],
    push: (item) => rise(item, items.length),
    remove: (item) => {
      const last = items.pop();
      const slot = item.slot;
      item.slot = -1;
      if (last === undefined || last === item) return;
      rise(last, slot);
      sink(last, last.slot);
    },
    items: () => items.slice(),
  };
}
