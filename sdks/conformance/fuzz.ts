/** Calls with arguments of every kind, by a generator that gives the same ones for the same seed. */
import type { Operation } from './adapter.ts';
import { Raw, SPECIAL, type Value } from './values.ts';

/** A number in [0, 1), again and again (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `count` commands. */
export function fuzz(seed: number, count: number): (readonly [Operation, ...Value[]])[] {
  const random = generator(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  const pick = <T>(items: readonly T[]): T => items[below(items.length)] as T;
  const text = (): Value =>
    pick<() => Value>([
      () => '',
      () => 'plain',
      () => 'ü€😀"\\\n\t\u0001',
      () => new Raw(Uint8Array.from({ length: below(40) }, () => 1 + below(255))),
      () => 'x'.repeat(below(20_000)),
      () => '12.5',
      () => '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
      () => SPECIAL.broken,
    ])();
  const scalar = (): Value =>
    pick<() => Value>([
      () => null,
      () => random() < 0.5,
      () => below(2 ** 31) - 2 ** 30,
      () => (random() - 0.5) * 10 ** below(300),
      () => pick([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -1, 1e-310]),
      () => pick([9007199254740993n, -9223372036854775807n, 2n ** 53n]),
      () => new Date(below(2 ** 31) * 1000),
      () => Uint8Array.from({ length: below(50) }, () => below(256)),
      text,
      () => pick(Object.values(SPECIAL)),
    ])();
  const fields = (depth: number): Value =>
    Object.fromEntries(
      Array.from({ length: below(6) }, (_, n) => [
        pick(['a', 'ü', 'key with blanks', 'job', `k${n}`]),
        any(depth + 1),
      ]),
    );
  const any = (depth = 0): Value => {
    const kind = depth > 11 ? 0 : random();
    if (kind < 0.6) return scalar();
    if (kind < 0.8) return Array.from({ length: below(5) }, () => any(depth + 1));
    return fields(depth);
  };
  const call = (): readonly [Operation, ...Value[]] =>
    pick<() => readonly [Operation, ...Value[]]>([
      () => ['event', any(), any(), any()],
      () => ['event', 'info', text(), fields(0)],
      () => ['metric', any(), any(), any(), any()],
      () => ['metric', text(), below(1000), text(), fields(0)],
      () => ['progress', any(), any(), any(), fields(0)],
      () => ['resource', { cpu: any(), memory: scalar(), disk: scalar() }],
      () => ['set_context', text(), any()],
      () => ['set_context', pick(['job_id', 'trace_id', 'a']), any()],
      () => ['start', any(), any(), any()],
      () => ['end', any(), any(), any(), any()],
      () => ['continue_trace', any()],
      () => ['flush', 0],
    ])();
  return Array.from({ length: count }, call);
}
