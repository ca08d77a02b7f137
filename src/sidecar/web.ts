import type { Context } from '../context.ts';
import { type HttpServer, openHttp } from '../http/open.ts';
import type { HttpSources } from '../http/sources.ts';
import type { Token } from './token.ts';

/** Where the HTTP side listens; `undefined`: nowhere. */
export type WebAddress =
  | { readonly host: string; readonly port: number; readonly auth: 'token' | 'none' }
  | undefined;

/** The HTTP side, moved while it runs. */
export interface Web {
  /** Opens the new address, then closes the old one. Rejects, with nothing changed, if it cannot be opened. */
  apply(address: WebAddress): Promise<void>;
  /** `http://host:port` as it really listens; `undefined` while it is off. */
  address(): string | undefined;
  /** A link to the page that lets its reader in; `undefined` while it is off. */
  link(): string | undefined;
  close(): Promise<void>;
}

/** Serves nothing until `apply`. @param pages folder of the built page. */
export function createWeb(
  sources: HttpSources,
  { token, file }: Token,
  pages: string,
  context: Context,
): Web {
  let key = '';
  let isOpen = false;
  const access = { token: () => (isOpen ? '' : token), tokenFile: file };
  let server: HttpServer | undefined;
  return {
    async apply(address) {
      const { host, port, auth } = address ?? { host: '', port: 0, auth: 'token' };
      const next = address === undefined ? '' : JSON.stringify([host, port]);
      const old = server;
      if (next !== key) {
        server = address && (await openHttp({ host, port, access, pages }, sources, context));
      }
      isOpen = auth === 'none';
      if (next === key) return;
      key = next;
      await old?.close();
    },
    address: () => server?.address,
    link: () => server && (isOpen ? `${server.address}/` : `${server.address}/?token=${token}`),
    close: async () => server?.close(),
  };
}

/** Where its page is; '' while it is off. */
export function pageUrlOf(web: Web): string {
  const address = web.address();
  return address === undefined ? '' : `${address}/`;
}
