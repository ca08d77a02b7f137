import type { SchedulerLike } from 'rxjs';

/** Which sources left without a word: their last connection that began with a `hello` ended without a `bye`. */
export interface Absence {
  came(source: string): void;
  /** A connection of it ended; without a `bye` unless `saidBye`. */
  left(source: string, saidBye: boolean): void;
  /** When it left, epoch milliseconds; `undefined` while it is here, or if it said goodbye or never came. */
  since(source: string): number | undefined;
}

/** Sources remembered; past it those that left first are forgotten. */
const MAX_ABSENT = 10_000;

/** Nobody has come yet. */
export function createAbsence({ now }: Pick<SchedulerLike, 'now'>): Absence {
  const here = new Map<string, number>();
  const absent = new Map<string, number>();
  return {
    came(source) {
      here.set(source, (here.get(source) ?? 0) + 1);
      absent.delete(source);
    },
    left(source, saidBye) {
      const others = (here.get(source) ?? 1) - 1;
      if (others > 0) {
        here.set(source, others);
        return;
      }
      here.delete(source);
      if (saidBye) return;
      absent.set(source, now());
      const [first] = absent.keys();
      if (absent.size > MAX_ABSENT && first !== undefined) absent.delete(first);
    },
    since: (source) => absent.get(source),
  };
}
