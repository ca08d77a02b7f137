import { unifiedDiff } from '../config/diff.ts';
import { redactText } from '../config/redact-text.ts';
import type { ReloadEntry } from '../http/sources.ts';
import type { Reloaded } from './reload.ts';

/** What became of the last edits. */
export interface History {
  /** The newest first. */
  entries(): readonly ReloadEntry[];
  add(reloaded: Reloaded): void;
}

const MAX_ENTRIES = 50;
/** Characters kept of a diff. */
const MAX_DIFF = 65_536;

/** @param first the configuration that the sidecar started with. @param file its name. */
export function createHistory(first: Reloaded, file: string): History {
  let inForce = redactText(first.text ?? '');
  let entries: readonly ReloadEntry[] = [entryOf(first, '')];
  return {
    entries: () => entries,
    add: (reloaded) => {
      const text = reloaded.text === undefined ? undefined : redactText(reloaded.text);
      const diff = text === undefined ? '' : unifiedDiff(inForce, text, ['in force', file]);
      const isNews = reloaded.result !== 'unchanged' || diff !== '' || entries[0]?.result === 'rejected';
      if (!isNews) return;
      // A text that means the same is in force as well.
      if (reloaded.result !== 'rejected') inForce = text ?? inForce;
      entries = [entryOf(reloaded, bounded(diff)), ...entries].slice(0, MAX_ENTRIES);
    },
  };
}

const entryOf = ({ time, result, hash, errors, problems }: Reloaded, diff: string): ReloadEntry => ({
  time,
  result,
  hash,
  diff,
  errors,
  problems: problems.map(({ file, line, column, path, message }) => ({ file, line, column, path, message })),
});

function bounded(diff: string): string {
  if (diff.length <= MAX_DIFF) return diff;
  return `${diff.slice(0, diff.lastIndexOf('\n', MAX_DIFF))}\n… and ${diff.length - MAX_DIFF} characters more\n`;
}
