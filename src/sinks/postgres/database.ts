/** What a query gives, by column. */
export type Fields = Readonly<Record<string, unknown>>;

/** What a table is made with. */
export interface Session {
  /** Runs one statement, its parameters `$1`, `$2`, …; its rows. */
  query(text: string, values?: readonly unknown[]): Promise<readonly Fields[]>;
}

/** One connection. */
export interface Connection extends Session {
  /** Runs a `COPY … FROM STDIN` with these bytes. */
  copy(text: string, rows: Buffer): Promise<void>;
}
