import { readdirSync } from 'node:fs';
import { constants, getPriority, setPriority } from 'node:os';

/** The threads that Node.js starts for V8, right after its first: one for what is due later, four workers. */
const V8_THREADS = 5;

/** How much nicer they are: a share of 1 in 29 of a core that others want, too. */
const NICER_BY = 15;

/**
 * Makes V8's threads give way to all others of this machine. They compile in the background what is called often, for
 * seconds on end after a start; where every core is in use, the kernel would let each of them go on for up to 3 ms
 * before it turns to the thread that has a message to deliver. Only for a process whose collections are of one thread
 * (`--single-threaded-gc`): the others' helpers are the same threads, and would be waited for.
 *
 * Linux only: elsewhere a thread has no priority of its own that Node.js can set.
 */
export function slowCompilers(): void {
  try {
    const niceness = Math.min(getPriority() + NICER_BY, constants.priority.PRIORITY_LOW);
    // In the order in which they were started.
    const [, ...threads] = readdirSync('/proc/self/task');
    for (const thread of threads.slice(0, V8_THREADS)) setPriority(Number(thread), niceness);
  } catch {
    // No such folder, or a sandbox that forbids it: they compete as before.
  }
}
