import { formatIssue } from '../config/issue.ts';
import { parseConfig } from '../config/load.ts';
import { type Context, NO_COUNTERS } from '../context.ts';
import type { PlanView, RejectedPlan } from '../http/plan-view.ts';
import type { Message } from '../message.ts';
import { compareDrafts, compareRouting } from './compare.ts';
import { type Draft, type DraftOptions, draft, pipelinesOf } from './draft.ts';
import { dryRun } from './dry-run.ts';

export interface PlanOptions extends DraftOptions {
  /** The configuration file in whose place the text would be. */
  readonly path: string;
  readonly dataDir: string;
  /** What is in force. */
  readonly inForce: () => Draft;
  /** The last messages. */
  readonly messages: () => readonly Message[];
}

/**
 * Says what a text would do if the configuration file held it, and changes nothing. Whoever may ask is less trusted
 * than whoever may edit the file: of other files, and of operators' folders, only those in use are read.
 */
export async function planEdit(
  text: string,
  options: PlanOptions,
  context: Context,
): Promise<PlanView | RejectedPlan> {
  const { path, sinks, dataDir, inForce, messages } = options;
  const before = inForce();
  const first = parseConfig(text, path, options);
  if ('errors' in first) return { errors: first.errors.map(formatIssue) };
  if (pipelinesOf(first.config, path) !== pipelinesOf(before.config, path)) {
    return { errors: [`${path} pipelines: a plan loads operators of the folder in use only`] };
  }
  const after = await draft(text, path, options);
  if ('errors' in after) return { errors: after.errors.map(formatIssue) };
  try {
    dryRun(after, sinks, dataDir, { ...context, counters: NO_COUNTERS, journal: undefined });
  } catch (error) {
    return { errors: [`${path}: ${error instanceof Error ? error.message : String(error)}`] };
  }
  return {
    ...compareDrafts(before, after),
    warnings: after.warnings.map(formatIssue),
    routing: compareRouting(before.config, after.config, messages()),
  };
}

/** Reads files, and says which ones were read: `again` reads those, and no others. */
export function rememberingReads(read: (path: string) => string) {
  const paths = new Set<string>();
  return {
    read: (path: string) => {
      paths.add(path);
      return read(path);
    },
    again: (path: string) => {
      if (paths.has(path)) return read(path);
      throw new Error('a plan reads only files that the configuration in force reads');
    },
  };
}
