import { concatMap, defer, type Observable } from 'rxjs';
import { type ConfigIssue, formatIssue } from '../config/issue.ts';
import type { Reading } from '../config/watch.ts';
import type { Context } from '../context.ts';
import type { ReloadView } from '../http/sources.ts';
import { isoTime } from '../message.ts';
import { type Draft, type DraftOptions, draft } from './draft.ts';

/** A configuration that cannot run, with everything that is wrong with it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly issues: readonly string[];
  constructor(issues: readonly string[]) {
    super(issues.join('\n'));
    this.issues = issues;
  }
}

export interface ReloadOptions extends DraftOptions {
  readonly path: string;
  /** Puts a checked configuration into force; rejects, with nothing changed, if it cannot run. */
  readonly apply: (draft: Draft) => Promise<void>;
  /** Whether a checked configuration differs from the one in force. */
  readonly isNew: (draft: Draft) => boolean;
}

/** Puts readings of the configuration into force, one after the other, and says what became of each. Never errors. */
export const reload = (
  reading$: Observable<Reading>,
  options: ReloadOptions,
  context: Context,
): Observable<ReloadView> =>
  defer(() => {
    let wasRejected = false;
    return reading$.pipe(
      // concatMap: a configuration is in force before the next is looked at
      concatMap(async (reading) => {
        const { result, errors } = await put(reading, options, context);
        if (wasRejected && result === 'unchanged') context.log.info({ file: options.path }, MENDED);
        wasRejected = result === 'rejected';
        return { time: isoTime(context.scheduler.now()), result, errors };
      }),
    );
  });

const MENDED = 'the configuration on disk is the one in force again';

async function put(
  reading: Reading,
  options: ReloadOptions,
  { log }: Context,
): Promise<Omit<ReloadView, 'time'>> {
  const { path, apply, isNew } = options;
  const rejected = (issues: readonly string[]) => {
    for (const issue of issues) log.error({ file: path }, issue);
    log.error({ file: path, errors: issues.length }, 'configuration rejected; the one before stays in force');
    return { result: 'rejected' as const, errors: issues };
  };
  try {
    if ('error' in reading) return rejected([formatIssue(reading.error)]);
    const drafted = await draft(reading.text, path, options);
    if ('errors' in drafted) return rejected(drafted.errors.map(formatIssue));
    if (!isNew(drafted)) return { result: 'unchanged', errors: [] };
    await apply(drafted);
    warn(drafted.warnings, log);
    log.info({ file: path, hash: drafted.hash }, 'configuration applied');
    return { result: 'applied', errors: [] };
  } catch (error) {
    return rejected([`${path}: ${error instanceof Error ? error.message : String(error)}`]);
  }
}

/** Logs what is doubtful in a configuration. */
export function warn(warnings: readonly ConfigIssue[], log: Context['log']): void {
  for (const warning of warnings) log.warn({ file: warning.file }, formatIssue(warning));
}
