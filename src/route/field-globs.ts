/** Where globs stand after some keys: whether one matches here, and where they stand one key further. */
export interface FieldPlace {
  readonly isHit: boolean;
  below(key: string): FieldPlace;
}

/** A step of a glob: one key, any number of keys, or the glob's end. */
type Step = RegExp | '**' | 'end';

/** How many keys of one place are remembered. */
const MAX_KEYS = 1000;

/**
 * Compiles globs of dotted paths: `*` is any text within a key, `**` any number of keys; case does not matter.
 * A key with dots in it counts as several. All globs run at once, as one automaton built as far as it is reached.
 */
export function fieldGlobs(globs: readonly string[]): FieldPlace {
  const steps: readonly Step[] = globs.flatMap((glob) => [
    ...glob.split('.').map(compileKey),
    'end' as const,
  ]);
  const starts = steps.flatMap((_, at) => (at === 0 || steps[at - 1] === 'end' ? [at] : []));
  const places = new Map<string, FieldPlace>();

  const placeAt = (current: readonly number[]): FieldPlace => {
    const name = current.join();
    const place = places.get(name) ?? createPlace(steps, current, placeAt);
    places.set(name, place);
    return place;
  };
  return placeAt(starts);
}

function compileKey(key: string): Step {
  if (key === '**') return key;
  const parts = key.split('*').map((part) => part.replace(/[\\^$.+?()[\]{}|/]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 'isu');
}

function createPlace(
  steps: readonly Step[],
  current: readonly number[],
  placeAt: (current: readonly number[]) => FieldPlace,
): FieldPlace {
  const known = new Map<string, FieldPlace>();
  return {
    isHit: isHit(steps, current),
    below(key) {
      let place = known.get(key);
      if (place === undefined) {
        place = placeAt(after(steps, current, key));
        if (known.size >= MAX_KEYS) known.clear();
        known.set(key, place);
      }
      return place;
    },
  };
}

const isHit = (steps: readonly Step[], current: readonly number[]) =>
  current.some((at) => steps[at] === 'end');

/** The steps that may come after `key`, in order. */
function after(steps: readonly Step[], from: readonly number[], key: string): readonly number[] {
  let current = from;
  for (const part of key.split('.')) {
    const next = new Set<number>();
    for (const at of current) advance(steps, at, part, next);
    current = [...next].sort((a, b) => a - b);
    if (isHit(steps, current)) break;
  }
  return current;
}

function advance(steps: readonly Step[], at: number, key: string, into: Set<number>): void {
  const step = steps[at];
  if (step === '**') {
    into.add(at);
    if (steps[at + 1] === 'end') into.add(at + 1);
    else advance(steps, at + 1, key, into);
  } else if (step instanceof RegExp && step.test(key)) into.add(at + 1);
}
