import { join } from 'node:path';
import type { SinkContext } from '../../deliver/sink.ts';
import { type Embedded, startEmbedded } from './embedded.ts';
import { openPool, type Pool } from './pool.ts';
import { secure, type TlsOptions } from './tls.ts';

/** The settings of a backend that say how to reach its server. */
export interface ServerOptions {
  /** Absent: a server of its own. */
  readonly connection_string?: string | undefined;
  readonly tls?: TlsOptions | undefined;
  readonly pool_size: number;
  readonly connect_timeout: number;
  readonly idle_timeout: number;
  readonly statement_timeout: number;
  readonly application_name: string;
}

/** A backend's server, reached when it is first needed. */
export interface Server {
  /** The same pool each time; rejects if it cannot be opened now. */
  pool(): Promise<Pool>;
  /** Closes all connections, and stops the server if it is the backend's own. */
  close(): Promise<void>;
}

/** The server that settings name. Nothing is loaded, read or started before the first `pool()`. */
export function serverOf(settings: ServerOptions, context: SinkContext): Server {
  let embedded: Embedded | undefined;
  let opened: Promise<Pool> | undefined;

  const open = async () => {
    const { connection_string } = settings;
    if (connection_string === undefined) {
      embedded ??= await startEmbedded(join(context.dataDir, 'postgres', context.backend), context.log);
    }
    const { connectionString, ssl } = await secure(
      connection_string ?? embedded?.connectionString ?? '',
      settings.tls,
    );
    return openPool({
      connectionString,
      ssl,
      max: settings.pool_size,
      connectTimeoutMs: settings.connect_timeout,
      idleTimeoutMs: settings.idle_timeout,
      statementTimeoutMs: settings.statement_timeout,
      applicationName: settings.application_name,
    });
  };

  return {
    pool: async () => {
      if (opened === undefined) {
        opened = open();
        // A file may be missing for now.
        opened.catch(() => {
          opened = undefined;
        });
      }
      const pool = await opened;
      await embedded?.keepUp();
      return pool;
    },
    close: async () => {
      const pool = await opened?.catch(() => undefined);
      opened = undefined;
      await pool?.close();
      await embedded?.stop();
      embedded = undefined;
    },
  };
}
