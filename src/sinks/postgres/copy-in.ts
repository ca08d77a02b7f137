import type { Connection } from 'pg';

/** What the driver asks of a query of another's making. */
interface CopyIn {
  readonly submit: (connection: Connection) => void;
  readonly handleCopyInResponse: (connection: CopyConnection) => void;
  readonly handleError: (error: unknown) => void;
  readonly handleCommandComplete: () => void;
  readonly handleReadyForQuery: () => void;
}

/** The part of the driver's connection that its types leave out. */
interface CopyConnection {
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
}

/** A query for the driver that runs `COPY … FROM STDIN` with `rows`; `settle` is called once, with an error or none. */
export function copyIn(text: string, rows: Buffer, settle: (error?: unknown) => void): CopyIn {
  return {
    submit: (connection) => connection.query(text),
    handleCopyInResponse: (connection) => {
      connection.sendCopyFromChunk(rows);
      connection.endCopyFrom();
    },
    handleError: settle,
    handleCommandComplete: () => {},
    handleReadyForQuery: () => settle(),
  };
}
