import type { IDatabase } from 'pg-promise';
import { turns } from '../tasks/turns.ts';
import { copyIn } from './copy-in.ts';
import type { Connection } from './database.ts';
import { keepsConnection } from './failure.ts';
import type { Ssl } from './tls.ts';

/** How to reach the server, durations in milliseconds. */
export interface PoolOptions {
  readonly connectionString: string;
  readonly ssl: Ssl | false;
  readonly max: number;
  readonly connectTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly statementTimeoutMs: number;
  readonly applicationName: string;
}

/** Connections, made when they are needed and kept for the next task. */
export interface Pool {
  /**
   * Runs a task with a connection of its own; waits for one as long as all are in use. If `signal` aborts meanwhile,
   * the connection is closed and the server told to cancel what it does there.
   */
  run<T>(task: (connection: Connection) => Promise<T>, signal: AbortSignal): Promise<T>;
  /** Waits for the tasks that run, and closes all connections. */
  close(): Promise<void>;
}

type Connected = Awaited<ReturnType<IDatabase<object>['connect']>>;

/** Opens a pool; the client library is loaded only now. */
export async function openPool(options: PoolOptions): Promise<Pool> {
  const { default: initialise } = await import('pg-promise');
  const pgp = initialise({ noWarnings: true });
  const db = pgp({
    connectionString: options.connectionString,
    ssl: options.ssl,
    max: options.max,
    connectionTimeoutMillis: options.connectTimeoutMs,
    idleTimeoutMillis: options.idleTimeoutMs,
    statement_timeout: options.statementTimeoutMs,
    application_name: options.applicationName,
    keepAlive: true,
  });
  // An idle connection that breaks while the pool closes is of no interest, but ends the process if nobody listens.
  db.$pool.on('error', () => {});
  // In front of the pool's own queue, whose wait counts as time to connect.
  const gate = turns(options.max);
  const cancels = new Set<Promise<void>>();

  const connectionOf = (connected: Connected): Connection => ({
    // Without parameters the simple protocol, which is all that some statements need.
    query: async (text, values) =>
      values === undefined
        ? connected.query(text)
        : connected.query(new pgp.ParameterizedQuery({ text, values: [...values] })),
    copy: (text, rows) =>
      new Promise((resolve, reject) => {
        const settle = (error?: unknown) => (error === undefined ? resolve() : reject(error));
        void connected.client.query(copyIn(text, rows, settle));
      }),
  });

  const cancel = async (processId: number | undefined) => {
    if (processId === undefined) return;
    try {
      const connection = await db.connect({ direct: true });
      await connection.query(
        new pgp.ParameterizedQuery({ text: 'SELECT pg_cancel_backend($1)', values: [processId] }),
      );
      await connection.done();
    } catch {
      // The server is gone, or statement_timeout ends what runs there.
    }
  };

  const use = async <T>(task: (connection: Connection) => Promise<T>, signal: AbortSignal): Promise<T> => {
    signal.throwIfAborted();
    const connection = await db.connect();
    let released = false;
    const release = (kill: boolean) => {
      if (!released) void connection.done(kill);
      released = true;
    };
    const abort = () => {
      const cancelling = cancel(connection.client.processID);
      cancels.add(cancelling);
      void cancelling.finally(() => cancels.delete(cancelling));
      release(true);
    };
    if (signal.aborted) release(false);
    signal.throwIfAborted();
    signal.addEventListener('abort', abort, { once: true });
    try {
      return await task(connectionOf(connection));
    } catch (error) {
      // After anything but an answer of the server nobody knows what it is good for.
      release(!keepsConnection(error));
      throw error;
    } finally {
      signal.removeEventListener('abort', abort);
      release(false);
    }
  };

  return {
    run: (task, signal) => gate.run(() => use(task, signal)),
    close: async () => {
      await Promise.all(cancels);
      await db.$pool.end();
    },
  };
}
