import type { SchedulerLike } from 'rxjs';
import { createAlarm } from '../flow/alarm.ts';

/** Sums that only grow, by a name of their own. */
export type Totals = ReadonlyMap<string, number>;

/** How fast sums grow. */
export interface Rates {
  /** A second, over the window; 0 for a name that is new or not known. */
  perSecond(name: string): number;
  /** Seconds that the window has by now. */
  windowS(): number;
  close(): void;
}

const EVERY_MS = 1000;
/** The window, in samples. */
const SAMPLES = 10;

/** Reads `totals` once a second until closed; the window is the last ten seconds. */
export function createRates(totals: () => Totals, scheduler: SchedulerLike): Rates {
  const samples: { readonly atMs: number; readonly totals: Totals }[] = [];
  const sample = () => {
    samples.push({ atMs: scheduler.now(), totals: totals() });
    if (samples.length > SAMPLES + 1) samples.shift();
    alarm.set(EVERY_MS);
  };
  const alarm = createAlarm(scheduler, sample);
  const windowS = () => ((samples.at(-1)?.atMs ?? 0) - (samples[0]?.atMs ?? 0)) / 1000;
  sample();
  return {
    windowS,
    perSecond: (name) => {
      const newest = samples.at(-1)?.totals.get(name) ?? 0;
      const grown = newest - (samples[0]?.totals.get(name) ?? 0);
      const seconds = windowS();
      return seconds > 0 ? Math.max(0, grown) / seconds : 0;
    },
    close: alarm.clear,
  };
}
