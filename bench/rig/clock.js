/** Epoch microseconds minus those of the monotonic clock, which all processes of one machine share. */
const shift = Number(process.env.BENCH_CLOCK_SHIFT_US ?? Date.now() * 1000 - monotonicUs());

function monotonicUs() {
  return Number(process.hrtime.bigint() / 1000n);
}

/** Epoch microseconds, the same in this process and in those started with `clockEnv`, to about 1 µs. */
export function nowUs() {
  return monotonicUs() + shift;
}

/** Environment of a child that shares this clock. */
export const clockEnv = { BENCH_CLOCK_SHIFT_US: String(shift) };

/** Resolves after `ms` milliseconds. */
export const pause = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms));
