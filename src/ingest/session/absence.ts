import type { SchedulerLike } from 'rxjs';

/** Which sources left without a word: their last connection that began with a `hello` ended without a `bye`. */
export interface Absence {
  /** A program came with its `hello`; `session` is '' where it has none. */
  came(source: string, session: string): void;
  /** A connection of it ended; without a `bye` unless `saidBye`. */
  left(source: string, session: string, saidBye: boolean): void;
  /**
   * When it left, epoch milliseconds; `undefined` if it said goodbye, never came, or is back. A program of another
   * session is another one: what its predecessor was at stays left.
   */
  since(source: string): number | undefined;
}

interface Left {
  readonly atMs: number;
  readonly session: string;
}

/** Sources remembered; past it those that left first are forgotten. */
const MAX_ABSENT = 10_000;

/** Nobody has come yet. */
export function createAbsence({ now }: Pick<SchedulerLike, 'now'>): Absence {
  const here = new Map<string, number>();
  const absent = new Map<string, Left>();
  return {
    came(source, session) {
      here.set(source, (here.get(source) ?? 0) + 1);
      const before = absent.get(source)?.session ?? '';
      if (before === '' || session === '' || session === before) absent.delete(source);
    },
    left(source, session, saidBye) {
      const others = (here.get(source) ?? 1) - 1;
      if (others > 0) {
        here.set(source, others);
        return;
      }
      here.delete(source);
      if (saidBye) return;
      absent.delete(source);
      absent.set(source, { atMs: now(), session });
      const [first] = absent.keys();
      if (absent.size > MAX_ABSENT && first !== undefined) absent.delete(first);
    },
    since: (source) => absent.get(source)?.atMs,
  };
}
