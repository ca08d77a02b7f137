import { type Draft, isSameDraft } from '../sidecar/draft.ts';
import { ConfigError } from '../sidecar/reload.ts';
import type { LoadedConfig } from './load-config.ts';
import type { ReloadRecord } from './recording.ts';

/**
 * Puts configurations into force one after the other, as the sidecar does, and says what became of each. An `Error`
 * is one that cannot be read. `apply` throws for one that cannot run.
 */
export function createReloading(first: Draft, apply: (draft: Draft) => void) {
  let inForce = first;
  return (next: LoadedConfig | Error): Pick<ReloadRecord, 'result' | 'errors'> => {
    const rejected = (errors: readonly string[]) => ({ result: 'rejected' as const, errors });
    if (next instanceof ConfigError) return rejected(next.issues);
    if (next instanceof Error) return rejected([next.message]);
    if (isSameDraft(next.draft, inForce)) return { result: 'unchanged', errors: [] };
    try {
      apply(portable(next.draft));
    } catch (error) {
      return rejected([`${next.path}: ${error instanceof Error ? error.message : String(error)}`]);
    }
    inForce = next.draft;
    return { result: 'applied', errors: [] };
  };
}

/** Without the name of the machine that the test runs on, which would count in the size of every message. */
export function portable(draft: Draft): Draft {
  const { enrich } = draft.config;
  if (enrich.host !== true) return draft;
  return { ...draft, config: { ...draft.config, enrich: { ...enrich, host: 'sidecar' } } };
}
