import { first, interval, NEVER, type Observable } from 'rxjs';

/** How often is looked whether `npx` is still there. */
const LOOK_MS = 250;

/** Emits once `npx`, where it started this process, was told to end: it passes no signal on, and means the sidecar. */
export function leftByNpx(own: Pick<NodeJS.Process, 'env' | 'ppid'>): Observable<unknown> {
  const { npm_lifecycle_event: event, npm_lifecycle_script: script = '' } = own.env;
  const parent = own.ppid;
  if (event !== 'npx' || !/^'?sidecar'?$/.test(script)) return NEVER;
  return interval(LOOK_MS).pipe(first(() => own.ppid !== parent));
}
