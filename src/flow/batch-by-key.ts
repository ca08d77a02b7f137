import { Observable, type OperatorFunction, type SchedulerLike, type Subscription } from 'rxjs';

/** When a batch closes: at this count, this age after its first item, this many bytes, or an urgent item. */
export interface BatchLimits<T> {
  readonly maxCount: number;
  readonly maxAgeMs: number;
  readonly maxBytes: number;
  /** Bound of all open batches together; past it the oldest closes early, for reason `bytes`. */
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
  readonly scheduler: SchedulerLike;
}

/** Items of one key, in order of arrival, and why the batch closed. */
export interface Keyed<T> {
  readonly items: readonly T[];
  readonly bytes: number;
  readonly reason: 'count' | 'age' | 'bytes' | 'critical' | 'flush';
}

const UNSET = { maxCount: 1, maxAgeMs: 0, maxBytes: 0, maxOpenBytes: 0, isUrgent: () => false };

interface Open<T> {
  items: T[];
  bytes: number;
  readonly openedMs: number;
}

/**
 * Batches items by key. The same as `groupBy(key, { duration })` + `toArray` with a duration that ends at the
 * first limit, at a third of the cost: one timer for all keys. Completion and a source error both flush first.
 *
 * States of a key: none → open (first item; in a Map whose order is the order of age) → closed (emitted, none).
 */
export function batchByKey<T, K>(options: BatchByKeyOptions<T, K>): OperatorFunction<T, Keyed<T>> {
  const { key, bytes, limits$, scheduler } = options;
  return (source$) =>
    new Observable((subscriber) => {
      const open = new Map<K, Open<T>>();
      let limits: BatchLimits<T> = UNSET;
      let openBytes = 0;
      let timer: Subscription | undefined;

      const close = (k: K, batch: Open<T>, reason: Keyed<T>['reason']) => {
        open.delete(k);
        openBytes -= batch.bytes;
        subscriber.next({ items: batch.items, bytes: batch.bytes, reason });
      };

      const reasonToClose = (batch: Open<T>) => {
        if (batch.items.length >= limits.maxCount) return 'count';
        return batch.bytes >= limits.maxBytes ? 'bytes' : undefined;
      };

      const arm = () => {
        const [oldest] = open.values();
        timer?.unsubscribe();
        if (oldest === undefined) {
          timer = undefined;
          return;
        }
        const dueMs = oldest.openedMs + limits.maxAgeMs - scheduler.now();
        timer = scheduler.schedule(closeAged, Math.min(Math.max(dueMs, 0), limits.maxAgeMs));
      };

      const closeAged = () => {
        const nowMs = scheduler.now();
        for (const [k, batch] of open) {
          const ageMs = nowMs - batch.openedMs;
          // A negative age is a clock set back: the batch's true age is unknown, so it is old enough.
          if (ageMs >= 0 && ageMs < limits.maxAgeMs) break;
          close(k, batch, 'age');
        }
        arm();
      };

      const closeOldest = () => {
        for (const [k, batch] of open) {
          close(k, batch, 'bytes');
          if (openBytes <= limits.maxOpenBytes) break;
        }
      };

      const add = (item: T) => {
        const k = key(item);
        let batch = open.get(k);
        if (batch === undefined) {
          batch = { items: [], bytes: 0, openedMs: scheduler.now() };
          open.set(k, batch);
          if (timer === undefined) arm();
        }
        batch.items.push(item);
        const size = bytes(item);
        batch.bytes += size;
        openBytes += size;
        const reason = limits.isUrgent(item) ? 'critical' : reasonToClose(batch);
        if (reason !== undefined) close(k, batch, reason);
        else if (openBytes > limits.maxOpenBytes) closeOldest();
      };

      const flush = () => {
        for (const [k, batch] of open) close(k, batch, 'flush');
      };

      subscriber.add(() => timer?.unsubscribe());
      subscriber.add(
        limits$.subscribe((next) => {
          limits = next;
          for (const [k, batch] of open) {
            const reason = reasonToClose(batch);
            if (reason !== undefined) close(k, batch, reason);
          }
          if (open.size > 0) arm();
        }),
      );
      subscriber.add(
        source$.subscribe({
          next: add,
          error: (error) => {
            flush();
            subscriber.error(error);
          },
          complete: () => {
            flush();
            subscriber.complete();
          },
        }),
      );
    });
}
