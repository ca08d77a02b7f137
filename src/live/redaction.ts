import { isSecretKey } from '../config/redact.ts';
import type { Json } from '../message.ts';

/** A value, with secrets as `***`. Changes it: for one that nobody else has. */
export type Redact = <T extends Json>(value: T) => T;

const MASK = '***';
/** What is nested deeper is not shown. */
const MAX_DEPTH = 32;

/**
 * Masks values of keys such as `password` and `token`, and what `patterns` (regular expressions, checked before)
 * match in texts.
 */
export function createRedaction(patterns: readonly string[]): Redact {
  const compiled = patterns.map((pattern) => new RegExp(pattern, 'gu'));
  const maskText = (text: string) => compiled.reduce((left, pattern) => left.replace(pattern, MASK), text);
  const walk = (value: unknown, depth: number): unknown => {
    if (typeof value === 'string') return compiled.length === 0 ? value : maskText(value);
    if (typeof value !== 'object' || value === null) return value;
    if (depth >= MAX_DEPTH) return MASK;
    const tree = value as Record<string, unknown>;
    for (const key of Object.keys(tree)) {
      const inner = tree[key];
      const isHidden = isSecretKey(key) && inner !== null && inner !== '';
      tree[key] = isHidden ? MASK : walk(inner, depth + 1);
    }
    return tree;
  };
  return (value) => walk(value, 0) as typeof value;
}
