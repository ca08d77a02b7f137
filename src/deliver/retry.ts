import { systemText } from '../system-text.ts';
import { Partly, Permanent, Throttled } from './sink.ts';

export interface RetryOptions {
  /** The first pause is random below this; the bound doubles with each failure. */
  readonly initialMs: number;
  /** Bound of a pause. */
  readonly maxMs: number;
  /** Transient failures of the same messages after which they go to the dead letters; `Infinity` never. */
  readonly maxAttempts: number;
}

/** What one send came to. */
export type Verdict =
  | { readonly kind: 'accepted'; readonly place?: string }
  | { readonly kind: 'permanent' | 'transient'; readonly error: unknown }
  | { readonly kind: 'partly'; readonly error: Partly }
  | { readonly kind: 'throttled'; readonly error: unknown; readonly retryAfterMs: number };

/** What an error of `Sink.send` means for its batch. A pause that is no number of milliseconds is no pause. */
export function verdictOf(error: unknown): Verdict {
  if (error instanceof Permanent) return { kind: 'permanent', error };
  if (error instanceof Partly) return { kind: 'partly', error };
  if (error instanceof Throttled && Number.isFinite(error.retryAfterMs)) {
    // At least 1 ms: a sink that throttles for nothing must not spin.
    return { kind: 'throttled', error, retryAfterMs: Math.max(1, error.retryAfterMs) };
  }
  return { kind: 'transient', error };
}

/** The pause before retry `failures` (1, 2, 3 …), in whole milliseconds ≥ 1: exponential, with full jitter. */
export function backoffMs(
  failures: number,
  { initialMs, maxMs }: Pick<RetryOptions, 'initialMs' | 'maxMs'>,
  random: () => number,
): number {
  return Math.max(1, Math.ceil(random() * Math.min(maxMs, initialMs * 2 ** (failures - 1))));
}

const MAX_ERROR_LENGTH = 1000;

/** What failed, in at most 1,000 characters; never throws, whatever was thrown. */
export function errorText(error: unknown): string {
  try {
    const text = systemText(error instanceof Error ? `${error.name}: ${error.message}` : String(error));
    return text.length > MAX_ERROR_LENGTH ? `${text.slice(0, MAX_ERROR_LENGTH)}…` : text;
  } catch {
    return 'unprintable error';
  }
}
