import type { ZodType } from 'zod';
import { LANE_KEYS } from './backend.ts';
import { check, type Draft, isRecord, own, quote } from './draft.ts';
import { didYouMean } from './suggest.ts';

/** What a backend's type says of its options; a `SinkDefinition` is one. */
export interface BackendType {
  readonly options: ZodType<object>;
  readonly overrides: ZodType<object>;
}

/** Checks every backend's own options against its type; returns what the type's schema made of them, by name. */
export function checkBackends(
  draft: Draft,
  types: ReadonlyMap<string, BackendType>,
): ReadonlyMap<string, object> {
  const checked = new Map<string, object>();
  const backends = own(draft.raw, 'backends');
  for (const [name, section] of isRecord(backends) ? Object.entries(backends) : []) {
    const type = own(section, 'type');
    if (!isRecord(section) || typeof type !== 'string') continue;
    const path = ['backends', name];
    const definition = types.get(type);
    if (definition === undefined) {
      const known = [...types.keys()];
      const message = `unknown type ${quote(draft, type)}${didYouMean(type, known) || `; known are ${known.join(', ')}`}`;
      draft.errors.push({ path: [...path, 'type'], message });
      continue;
    }
    const output = check(draft, definition.options, path, () => typeOptions(section), LANE_KEYS);
    if (output !== undefined) checked.set(name, output);
  }
  return checked;
}

const typeOptions = (section: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(section).filter(([key]) => !LANE_KEYS.includes(key)));
