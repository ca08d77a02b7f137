import { concatMap, defer, type Observable } from 'rxjs';
import { type ConfigIssue, formatIssue } from '../config/issue.ts';
import type { Reading } from '../config/watch.ts';
import type { Context } from '../context.ts';
import type { ReloadView } from '../http/sources.ts';
import { isoTime } from '../message.ts';
import { type Draft, type DraftOptions, draft } from './draft.ts';

/** What became of a reading, and of which text. */
export interface Reloaded extends ReloadView {
  /** Of the configuration; '' of one that could not be checked. */
  readonly hash: string;
  /** The errors in parts. */
  readonly problems: readonly ConfigIssue[];
  /** `undefined` if the file could not be read. */
  readonly text: string | undefined;
}

type Put = Omit<Reloaded, 'time' | 'text'>;

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
): Observable<Reloaded> =>
  defer(() => {
    let wasRejected = false;
    return reading$.pipe(
      // concatMap: a configuration is in force before the next is looked at
      concatMap(async (reading) => {
        const outcome = await put(reading, options, context);
        const { result } = outcome;
        if (wasRejected && result === 'unchanged') context.log.info({ file: options.path }, MENDED);
        wasRejected = result === 'rejected';
        return {
          ...outcome,
          time: isoTime(context.scheduler.now()),
          text: 'text' in reading ? reading.text : undefined,
        };
      }),
    );
  });

const MENDED = 'the configuration on disk is the one in force again';

async function put(reading: Reading, options: ReloadOptions, { log }: Context): Promise<Put> {
  const { path, apply, isNew } = options;
  let hash = '';
  const rejected = (
    problems: readonly ConfigIssue[],
    errors: readonly string[] = problems.map(formatIssue),
  ): Put => {
    for (const error of errors) log.error({ file: path }, error);
    log.error({ file: path, errors: errors.length }, 'configuration rejected; the one before stays in force');
    return { result: 'rejected', hash, errors, problems };
  };
  try {
    if ('error' in reading) return rejected([reading.error]);
    const drafted = await draft(reading.text, path, options);
    if ('errors' in drafted) return rejected(drafted.errors);
    hash = drafted.hash;
    if (!isNew(drafted)) return { result: 'unchanged', hash, errors: [], problems: [] };
    await apply(drafted);
    warn(drafted.warnings, log);
    log.info({ file: path, hash: drafted.hash }, 'configuration applied');
    return { result: 'applied', hash, errors: [], problems: [] };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return rejected([{ file: path, line: 0, column: 0, path: '', message }], [`${path}: ${message}`]);
  }
}

/** Logs what is doubtful in a configuration. */
export function warn(warnings: readonly ConfigIssue[], log: Context['log']): void {
  for (const warning of warnings) log.warn({ file: warning.file }, formatIssue(warning));
}
