import type { Path } from './path.ts';

/** One thing that is wrong, or only doubtful, with the configuration, and where it stands. */
export interface ConfigIssue {
  /** The file as it was named by the caller; `--set` for an override of the command line. */
  readonly file: string;
  /** From 1; 0 for an override. */
  readonly line: number;
  readonly column: number;
  /** `routing.queue-service[0].backend`, or `''` for the file as a whole. */
  readonly path: string;
  readonly message: string;
}

/** What a check found, before its place in the file is known. */
export interface Finding {
  readonly path: Path;
  readonly message: string;
  /** The key is at fault, not its value. */
  readonly atKey?: boolean;
  /** Its place as an offset in the text, where the path does not say it. */
  readonly offset?: number;
}

/** The file name that stands for an override of the command line. */
export const OVERRIDE = '--set';

/** `config/x.yaml:12:5 tcp.port: must be at most 65535`, or `--set tcp.port: must be …`. */
export function formatIssue({ file, line, column, path, message }: ConfigIssue): string {
  if (file === OVERRIDE) return `${OVERRIDE} ${path}: ${message}`;
  const place = `${file}:${line}:${column}`;
  return path === '' ? `${place}: ${message}` : `${place} ${path}: ${message}`;
}
