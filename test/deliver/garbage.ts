import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/**
 * Collects garbage until `isDone`, or 50 times. A WeakRef holds its object to the end of the turn it was made or read
 * in, so each round takes a turn.
 */
export async function collectGarbage(isDone: () => boolean = () => false, rounds = 50): Promise<void> {
  for (let round = 0; round < rounds && !isDone(); round++) {
    await setImmediate();
    collect();
  }
}
