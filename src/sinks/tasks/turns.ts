/** Tasks that wait for each other, first come first served. */
export interface Turns {
  /** Runs `task` when fewer than the limit are running; settles as it does. A failed task lets the next one start. */
  run<T>(task: () => Promise<T>): Promise<T>;
  /** Nothing runs or waits. */
  idle(): boolean;
}

/** At most `limit` tasks at a time. */
export function turns(limit: number): Turns {
  const waiting: (() => void)[] = [];
  let running = 0;

  const enter = () => {
    if (running >= limit) return new Promise<void>((resolve) => waiting.push(resolve));
    running++;
    return undefined;
  };
  const leave = () => {
    const next = waiting.shift();
    if (next === undefined) running--;
    else next();
  };

  return {
    run: async (task) => {
      await enter();
      try {
        return await task();
      } finally {
        leave();
      }
    },
    idle: () => running === 0,
  };
}
