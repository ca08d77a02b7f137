/** Which backends the plan had when a batch closed: what closed without a backend was not meant for it. */
export interface Presence {
  /** A plan with these backends takes the batches from now on; the first plan also took all before it. */
  planned(backends: readonly string[]): void;
  /** Every backend that a plan ever had. */
  backends(): Iterable<string>;
  /** Messages in batches that closed while the backend was in no plan. */
  missed(backend: string): number;
}

/** @param batched messages in closed batches so far. */
export function createPresence(batched: () => number): Presence {
  const known = new Map<string, { present: boolean; missed: number; absentFrom: number }>();
  let planless = true;

  const arrive = (backend: string) => {
    const state = known.get(backend) ?? { present: false, missed: 0, absentFrom: 0 };
    if (!state.present && !planless) state.missed += batched() - state.absentFrom;
    state.present = true;
    known.set(backend, state);
  };

  return {
    planned: (backends) => {
      const next = new Set(backends);
      for (const [backend, state] of known) {
        if (!state.present || next.has(backend)) continue;
        state.present = false;
        state.absentFrom = batched();
      }
      next.forEach(arrive);
      planless = false;
    },
    backends: () => known.keys(),
    missed: (backend) => {
      const state = known.get(backend);
      if (state === undefined) return 0;
      return state.missed + (state.present ? 0 : batched() - state.absentFrom);
    },
  };
}
