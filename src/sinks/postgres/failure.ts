import { Permanent } from '../../deliver/sink.ts';
import type { Table } from './table.ts';

/** The table is not there, or is none of ours. */
export class TableUnusable extends Error {
  override readonly name = 'TableUnusable';
  /** It may yet be made. */
  readonly isMissing: boolean;
  constructor({ sql }: Table, isMissing: boolean) {
    super(
      isMissing
        ? `there is no table ${sql}, or this user may not see it`
        : `the table ${sql} lacks the columns "time" and "data"`,
    );
    this.isMissing = isMissing;
  }
}

/** What the driver says of an error of the server. */
interface ServerError {
  /** SQLSTATE, five characters. */
  readonly code: string;
  readonly message: string;
  /** The server's function that raised it; unlike the message in no language. */
  readonly routine?: string | undefined;
}

const SQLSTATE = /^[0-9A-Z]{5}$/;

/** Classes that blame a row: its values, constraints, limits, and what triggers raise. */
const OF_ROWS = new Set(['21', '22', '23', '2F', '38', '39', '44', '54', 'P0']);
/** Classes that blame the statement, and so the table: it is of another shape than the rows. */
const OF_TABLE = new Set(['0A', '42']);
/**
 * States of those that pass once an operator acts: no privilege, no such table, no such schema. Nothing is wrong
 * with the rows, which wait.
 */
const HEALED_BY_OPERATORS = new Set(['42501', '42P01', '3F000']);
const UNDEFINED_TABLE = '42P01';
const UNDEFINED_COLUMN = '42703';
const UNIQUE_VIOLATION = '23505';
const NOT_SUPPORTED = '0A000';
const READ_ONLY = '25006';
/** Raises `42501` for a row that a policy of row-level security forbids. */
const ROW_SECURITY = 'ExecWithCheckOptions';

/** What a failed send means to its lane: `Permanent` of rows or of the table, else transient. Holds no secrets. */
export function failureOf(error: unknown): Error {
  if (error instanceof Permanent) return error;
  if (error instanceof TableUnusable) {
    return error.isMissing ? error : new Permanent(error.message, { scope: 'batch' });
  }
  const text = errorTextOf(error);
  const state = serverErrorOf(error);
  if (state === undefined) return new Error(text);
  const { code, routine } = state;
  const isOfRow = OF_ROWS.has(code.slice(0, 2)) || (code === '42501' && routine === ROW_SECURITY);
  if (isOfRow) return new Permanent(text);
  if (OF_TABLE.has(code.slice(0, 2)) && !HEALED_BY_OPERATORS.has(code)) {
    return new Permanent(text, { scope: 'batch' });
  }
  return new Error(text);
}

/** Whether an error says that the table is not what it was when it was looked at. */
export function isTableChanged(error: unknown): boolean {
  const code = serverErrorOf(error)?.code;
  return code === UNDEFINED_TABLE || code === UNDEFINED_COLUMN;
}

/** Whether a COPY failed where an INSERT need not: a row is there already, or the table takes no COPY. */
export function isForInsert(error: unknown): boolean {
  const code = serverErrorOf(error)?.code;
  return code === UNIQUE_VIOLATION || code === NOT_SUPPORTED;
}

/**
 * Whether a connection is as good as before: the server itself said what is wrong, and not that this session may only
 * read. That it may do for ever, where another one reaches the server that took over, or is under other settings.
 */
export function keepsConnection(error: unknown): boolean {
  const state = serverErrorOf(error);
  return state !== undefined && state.code !== READ_ONLY;
}

/** What went wrong, with its SQLSTATE; passwords in URLs are masked. */
export function errorTextOf(error: unknown): string {
  const state = serverErrorOf(error);
  return masked(state === undefined ? reasonOf(error) : `${state.message} (SQLSTATE ${state.code})`);
}

function reasonOf(error: unknown): string {
  if (!isObject(error)) return String(error);
  // A name of several addresses fails with one error for each, and no message.
  if (Array.isArray(error.errors)) return [...new Set(error.errors.map(reasonOf))].join('; ');
  const text = String(error.message);
  return /client password must be a (non-empty )?string/.test(text) ? NO_PASSWORD : text;
}

const NO_PASSWORD = 'the server asks for a password, and `connection_string` has none';

const masked = (text: string) => text.replace(/(:\/\/[^/?#\s:@]*:)[^/?#\s]*(?=@)/g, '$1***');

/** By shape: the driver is not the only one whose errors arrive here. */
function serverErrorOf(error: unknown): ServerError | undefined {
  if (!isObject(error) || typeof error.code !== 'string' || error.severity === undefined) return undefined;
  const { code, message, routine } = error;
  if (!SQLSTATE.test(code)) return undefined;
  return { code, message: String(message), routine: typeof routine === 'string' ? routine : undefined };
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;
