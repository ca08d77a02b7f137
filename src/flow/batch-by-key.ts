import { Observable, type OperatorFunction, type SchedulerLike, type Subscription } from 'rxjs';

/** When a batch closes: at this count, this age after its first item, this many bytes, or an urgent item. */
export interface BatchLimits<T> {
  readonly maxCount: number;
  readonly maxAgeMs: number;
  readonly maxBytes: number;
  /** Bound of what comes, of all keys, while one batch is open; past it the oldest closes early, for reason `bytes`. */
  readonly maxOpenBytes: number;
  /** An urgent item closes its key's batch at once, itself included. */
  readonly isUrgent: (item: T) => boolean;
}

export interface BatchByKeyOptions<T, K> {
  readonly key: (item: T) => K;
  /** Size of an item; a batch closes once the sum reaches `maxBytes`. */
  readonly bytes: (item: T) => number;
  /** The limits in force; must emit on subscription, a later value holds for open batches too. */
  readonly limits$: Observable<BatchLimits<T>>;
  /** Keys whose open batches close at once, for reason `flush`. */
  readonly hurry$?: Observable<K> | undefined;
  /** Is told on subscription what lists the items of all open batches, the oldest batch first. */
  readonly onOpen?: ((waiting: () => readonly T[]) => void) | undefined;
  readonly scheduler: SchedulerLike;
}

/** Items of one key, in order of arrival, and why the batch closed. */
export interface Keyed<T> {
  readonly items: readonly T[];
  readonly bytes: number;
  readonly reason: 'count' | 'age' | 'bytes' | 'critical' | 'flush';
}

const UNSET = { maxCount: 1, maxAgeMs: 0, maxBytes: 0, maxOpenBytes: 0, isUrgent: () => false };

/** A key's open batch; no items: none is open. In a ring ordered by age while it is open. */
interface Slot<T> {
  items: T[];
  bytes: number;
  openedMs: number;
  /** `passedBytes` when it was opened. */
  openedAt: number;
  older: Slot<T>;
  newer: Slot<T>;
}

/** Idle keys that are remembered before all of them are forgotten. */
const MAX_IDLE_KEYS = 10_000;

/**
 * Batches items by key. The same as `groupBy(key, { duration })` + `toArray` with a duration that ends at the
 * first limit, at a third of the cost: one timer for all keys. Completion and a source error both flush first; a throw of a callback is the result's error.
 *
 * States of a key: unknown → open (first item; in the ring, oldest first) → idle (emitted) → open … A key keeps its
 * slot while idle: a Map that gains and loses a key with every batch leaves a trail of old tables, and V8 keeps what
 * was in them until its next full collection.
 */
export function batchByKey<T, K>(options: BatchByKeyOptions<T, K>): OperatorFunction<T, Keyed<T>> {
  const { key, bytes, limits$, hurry$, onOpen, scheduler } = options;
  return (source$) =>
    new Observable((subscriber) => {
      const slots = new Map<K, Slot<T>>();
      /** The ring's fixed point: its `newer` is the oldest open batch. */
      const ring = createSlot<T>();
      let limits: BatchLimits<T> = UNSET;
      let passedBytes = 0;
      let openKeys = 0;
      let timer: Subscription | undefined;

      const slotOf = (k: K): Slot<T> => {
        const found = slots.get(k);
        if (found !== undefined) return found;
        if (slots.size - openKeys >= MAX_IDLE_KEYS) forgetIdle(slots);
        const slot = createSlot<T>();
        slots.set(k, slot);
        return slot;
      };

      const close = (slot: Slot<T>, reason: Keyed<T>['reason']) => {
        const { items, bytes: size } = slot;
        leave(slot);
        slot.items = [];
        slot.bytes = 0;
        openKeys--;
        subscriber.next({ items, bytes: size, reason });
      };

      const reasonToClose = (slot: Slot<T>) => {
        if (slot.items.length >= limits.maxCount) return 'count';
        return slot.bytes >= limits.maxBytes ? 'bytes' : undefined;
      };

      const arm = () => {
        timer?.unsubscribe();
        timer = undefined;
        if (ring.newer === ring) return;
        const dueMs = ring.newer.openedMs + limits.maxAgeMs - scheduler.now();
        timer = scheduler.schedule(closeAged, Math.min(Math.max(dueMs, 0), limits.maxAgeMs));
      };

      const closeAged = () => {
        const nowMs = scheduler.now();
        while (ring.newer !== ring) {
          const ageMs = nowMs - ring.newer.openedMs;
          // A negative age is a clock set back: the batch's true age is unknown, so it is old enough.
          if (ageMs >= 0 && ageMs < limits.maxAgeMs) break;
          close(ring.newer, 'age');
        }
        arm();
      };

      const add = (item: T) => {
        const slot = slotOf(key(item));
        if (slot.items.length === 0) {
          slot.openedMs = scheduler.now();
          slot.openedAt = passedBytes;
          openKeys++;
          joinAsNewest(ring, slot);
          if (timer === undefined) arm();
        }
        const size = bytes(item);
        slot.items.push(item);
        slot.bytes += size;
        passedBytes += size;
        const reason = limits.isUrgent(item) ? 'critical' : reasonToClose(slot);
        if (reason !== undefined) close(slot, reason);
        // Items that came together may share memory, and then the last of them keeps all of it.
        while (ring.newer !== ring && passedBytes - ring.newer.openedAt > limits.maxOpenBytes) {
          close(ring.newer, 'bytes');
        }
      };

      const openSlots = () => {
        const open: Slot<T>[] = [];
        for (let slot = ring.newer; slot !== ring; slot = slot.newer) open.push(slot);
        return open;
      };

      const closeEach = (reasonOf: (slot: Slot<T>) => Keyed<T>['reason'] | undefined) => {
        // A list of its own: whoever takes a batch may send an item back, and so close others.
        for (const slot of openSlots()) {
          const reason = slot.items.length === 0 ? undefined : reasonOf(slot);
          if (reason !== undefined) close(slot, reason);
        }
      };

      onOpen?.(() => openSlots().flatMap(({ items }) => items));
      subscriber.add(() => timer?.unsubscribe());
      subscriber.add(
        limits$.subscribe((next) => {
          limits = next;
          closeEach(reasonToClose);
          arm();
        }),
      );
      subscriber.add(
        hurry$?.subscribe((k) => {
          const slot = slots.get(k);
          if (slot !== undefined && slot.items.length > 0) close(slot, 'flush');
        }),
      );
      subscriber.add(
        source$.subscribe({
          next: (item) => {
            try {
              add(item);
            } catch (error) {
              subscriber.error(error);
            }
          },
          error: (error) => {
            closeEach(() => 'flush');
            subscriber.error(error);
          },
          complete: () => {
            closeEach(() => 'flush');
            subscriber.complete();
          },
        }),
      );
    });
}

/** Of a slot that was not open yet. No small integer, as V8 gives a field the form of the first number that it had. */
const NEVER = Number.NEGATIVE_INFINITY;

/** A slot by itself, in no ring. */
function createSlot<T>(): Slot<T> {
  const slot = { items: [], bytes: 0, openedMs: NEVER, openedAt: NEVER } as unknown as Slot<T>;
  slot.older = slot;
  slot.newer = slot;
  return slot;
}

function joinAsNewest<T>(ring: Slot<T>, slot: Slot<T>): void {
  slot.older = ring.older;
  slot.newer = ring;
  ring.older.newer = slot;
  ring.older = slot;
}

function leave<T>(slot: Slot<T>): void {
  slot.older.newer = slot.newer;
  slot.newer.older = slot.older;
  slot.older = slot;
  slot.newer = slot;
}

function forgetIdle<K, T>(slots: Map<K, Slot<T>>): void {
  for (const [key, slot] of slots) if (slot.items.length === 0) slots.delete(key);
}
