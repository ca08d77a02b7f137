import { ended, type Job, partOf } from './job.ts';
import { type Address, type Addressed, byTarget, type Sink } from './sink.ts';

type Waiting = Omit<Job, 'order'>;

/**
 * Addresses anew what waited outside of the lane, as the backend may have been another one meanwhile: of another folder,
 * or of another type. Where it cannot make sense of what the rule said, its own settings hold. What an earlier version
 * left does not say what the rule said; its target stays.
 */
export function createReaddress({ address }: Pick<Sink, 'address'>): (job: Waiting) => readonly Waiting[] {
  /** By what the rule said. */
  const known = new Map<string, Address | undefined>();
  const addressOf = (overrides: object): Address | undefined => {
    const key = JSON.stringify(overrides);
    if (!known.has(key)) known.set(key, addressIfAny(address, overrides) ?? addressIfAny(address, {}));
    return known.get(key);
  };
  return (job) => {
    const found = job.overrides && addressOf(job.overrides);
    if (found === undefined) return [job];
    const parts = byTarget(found, job.batch);
    const [first] = parts;
    if (first !== undefined && parts.length === 1) {
      return [first.target.key === job.target.key ? job : { ...job, target: first.target }];
    }
    return parts.map((part) => split(job, part));
  };
}

function addressIfAny(address: Sink['address'], overrides: object): Address | undefined {
  try {
    return address(overrides);
  } catch {
    return undefined;
  }
}

/** A part that may be merged with parts of other jobs: what it came from the spool with counts for itself. */
function split(job: Waiting, { target, messages }: Addressed): Waiting {
  const part = { ...partOf(job, messages), target };
  if (job.spooled === undefined) return part;
  return { ...part, spooled: { left: messages.length, done: () => ended(job, messages.length) } };
}
