/** The golden script: the same operations in every language, and what has to be on the wire. */
import { readFileSync } from 'node:fs';
import type { Adapter, Operation } from './adapter.ts';
import type { Wire } from './fake-sidecar.ts';
import { SPECIAL, type Special, type Value } from './values.ts';

const at = (name: string) => new URL(name, import.meta.url);

type Written = readonly [string, ...unknown[]];

/** What JSON cannot say stands as `{"$": kind, "of": …}`. */
function readValue(written: unknown): Value {
  if (Array.isArray(written)) return written.map(readValue);
  if (typeof written !== 'object' || written === null) return written as Value;
  const { $: kind, of = '', times } = written as { $?: string; of?: string | number; times?: number };
  if (kind === undefined)
    return Object.fromEntries(Object.entries(written).map(([key, item]) => [key, readValue(item)]));
  if (kind === 'repeat') return String(of).repeat(times ?? 1);
  if (kind === 'range') return Array.from({ length: Number(of) }, (_, n) => n);
  if (kind === 'date') return new Date(Number(of) * 1000);
  if (kind === 'bytes') return Buffer.from(String(of), 'hex');
  if (kind === 'big') return BigInt(of);
  const number = { nan: Number.NaN, inf: Number.POSITIVE_INFINITY, '-inf': Number.NEGATIVE_INFINITY }[kind];
  return number ?? SPECIAL[kind as Special];
}

/** Calls everything in `golden.json`. */
export async function play(adapter: Adapter): Promise<void> {
  const script = JSON.parse(readFileSync(at('golden.json'), 'utf8')) as Written[];
  const spans = new Map<string, string>();
  for (const [written, ...args] of script) {
    const [operation, span] = written.split(' ') as [Operation, string | undefined];
    const values = args.map(readValue);
    if (operation === 'end') values.unshift(spans.get(span ?? '') ?? '');
    const { id } = await adapter.call(operation, ...values);
    if (span !== undefined && id !== undefined) spans.set(span, id);
  }
}

/** What must arrive, a line a record, masked. */
export const expected = (): string[] => readFileSync(at('golden.ndjson'), 'utf8').trimEnd().split('\n');

/** Lines without what differs from run to run; ids become numbers, so that who is whose parent still shows. */
export function masked(lines: readonly string[]): string[] {
  const ids = new Map<string, number>();
  const numbered = (id: string) => {
    if (!ids.has(id)) ids.set(id, ids.size + 1);
    return ids.get(id);
  };
  return lines.map((line) =>
    line
      .replace(/"timestamp":"[^"]*","ts_us":\d{16}/, '"timestamp":0')
      .replace(/"(start_us|duration_us)":\d+/g, '"$1":0')
      .replace(
        /"(trace_id|span_id|parent_span_id)":"([0-9a-f]+)"/g,
        (_, key, id) => `"${key}":${numbered(id)}`,
      ),
  );
}

/** JSON with sorted keys: equal for equal values. */
export function canonical(value: Wire): string {
  return JSON.stringify(value, (_, item) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}
