import type { Observable, SchedulerLike } from 'rxjs';
import type { Log } from '../context.ts';

/** Where a command prints. */
export interface Out {
  write(text: string): void;
  /** Width of the terminal; absent: lines are not cut. */
  readonly columns?: number;
}

/** What a command may know of the process that it runs in; `main.ts` has the real one. */
export interface Host {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly out: Out;
  readonly log: Log;
  readonly scheduler: SchedulerLike;
  readonly random: () => number;
  /** Emits at SIGTERM, SIGINT or SIGQUIT. */
  readonly stop$: Observable<unknown>;
  /** Emits when nobody reads what is printed any more. */
  readonly unread$: Observable<unknown>;
  /** Emits at SIGHUP. */
  readonly reload$: Observable<unknown>;
  readonly version: string;
  /** Folder of the operators that come with the package. */
  readonly shippedPipelines: string;
  /** Folder of the web page that comes with the package. */
  readonly shippedUi: string;
}

/** Exit codes of every command. */
export const EXIT = { ok: 0, failed: 1, usage: 2, cannotOpen: 3, lost: 4 } as const;
