/** What a query gives, by column. */
export type Fields = Readonly<Record<string, unknown>>;

/** One connection. */
export interface Session {
  /** Runs one statement, its parameters `$1`, `$2`, …; its rows. */
  query(text: string, values?: readonly unknown[]): Promise<readonly Fields[]>;
}
