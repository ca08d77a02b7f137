import type { Context } from '../context.ts';
import { type HttpServer, openHttp } from '../http/open.ts';
import type { HttpSources } from '../http/sources.ts';

/** Where the HTTP side listens; `undefined`: nowhere. */
export type WebAddress = { readonly host: string; readonly port: number } | undefined;

/** The HTTP side, moved while it runs. */
export interface Web {
  /** Opens the new address, then closes the old one. Rejects, with nothing changed, if it cannot be opened. */
  apply(address: WebAddress): Promise<void>;
  /** `http://host:port` as it really listens; `undefined` while it is off. */
  address(): string | undefined;
  close(): Promise<void>;
}

/** Serves nothing until `apply`. */
export function createWeb(sources: HttpSources, context: Context): Web {
  let key = '';
  let server: HttpServer | undefined;
  return {
    async apply(address) {
      const next = JSON.stringify(address ?? '');
      if (next === key) return;
      const old = server;
      server = address && (await openHttp(address, sources, context));
      key = next;
      await old?.close();
    },
    address: () => server?.address,
    close: async () => server?.close(),
  };
}

/** Where its page is; '' while it is off. */
export function pageUrlOf(web: Web): string {
  const address = web.address();
  return address === undefined ? '' : `${address}/`;
}
