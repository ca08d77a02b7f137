import type { Fields } from './frames.ts';

/** A function that gives what this process used since it was last called; nothing the first time. */
export function resourceSampler(): () => Fields | undefined {
  let before: { readonly cpuUs: number; readonly atMs: number } | undefined;
  return () => {
    const { user, system } = process.cpuUsage();
    const [now, then] = [{ cpuUs: user + system, atMs: performance.now() }, before];
    before = now;
    if (then === undefined || now.atMs <= then.atMs) return undefined;
    const cpu = (now.cpuUs - then.cpuUs) / (10 * (now.atMs - then.atMs));
    const round = (number: number) => Math.round(number * 10) / 10;
    return { cpu: round(cpu), memory: round(process.memoryUsage.rss() / 2 ** 20), per: 'process', pid: process.pid };
  };
}
