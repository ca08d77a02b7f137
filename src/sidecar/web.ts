import type { Context } from '../context.ts';
import { clash } from '../hosts.ts';
import type { Access } from '../http/access.ts';
import { type HttpServer, openHttp } from '../http/open.ts';
import type { HttpSources } from '../http/sources.ts';
import { openToken, type Token } from './token.ts';

/** Where the HTTP side listens; `undefined`: nowhere. */
export type WebAddress =
  | {
      readonly host: string;
      readonly port: number;
      readonly auth: 'token' | 'none';
      /** What readers show; absent: the one that is kept in `data_dir`. */
      readonly token?: string | undefined;
    }
  | undefined;

/** The HTTP side, moved while it runs. */
export interface Web {
  /**
   * Opens the new address, then closes the old one; on the same port the other way round. Rejects, with nothing
   * changed, if it cannot be opened.
   */
  apply(address: WebAddress): Promise<void>;
  /** `http://host:port` as it really listens; `undefined` while it is off. */
  address(): string | undefined;
  /** A link to the page that lets its reader in; `undefined` while it is off. */
  link(): string | undefined;
  close(): Promise<void>;
}

/** Serves nothing until `apply`. @param pages folder of the built page. @param dataDir has the token. */
export function createWeb(sources: HttpSources, dataDir: string, pages: string, context: Context): Web {
  let current: WebAddress;
  let isOpen = false;
  let token: Token | undefined;
  let server: HttpServer | undefined;
  const access: Access = {
    token: () => (isOpen ? '' : (token?.token ?? '')),
    tokenFile: () => token?.file ?? '',
  };
  const tokenFor = async (wanted: string | undefined): Promise<Token> =>
    token !== undefined && (wanted ?? token.token) === token.token
      ? token
      : openToken(dataDir, context.log, wanted);
  const open = async (address: WebAddress) =>
    address && openHttp({ host: address.host, port: address.port, access, pages }, sources, context);
  const move = async (address: WebAddress) => {
    if (address === undefined || current === undefined || !clash(address, current)) return open(address);
    // Its port is free as soon as it begins to close.
    void server?.close();
    try {
      return await open(address);
    } catch (error) {
      server = await open(current);
      throw error;
    }
  };
  return {
    async apply(address) {
      // There is none before somebody is asked for it.
      const shown = address?.auth === 'token' ? await tokenFor(address.token) : token;
      const old = server;
      const isElsewhere = address?.host !== current?.host || address?.port !== current?.port;
      if (isElsewhere) server = await move(address);
      token = shown;
      isOpen = address?.auth === 'none';
      current = address;
      if (isElsewhere) await old?.close();
    },
    address: () => server?.address,
    link: () => {
      if (server === undefined) return undefined;
      // Every address is no address to go to.
      const place = server.address.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:');
      return isOpen ? `${place}/` : `${place}/?token=${encodeURIComponent(access.token())}`;
    },
    close: async () => server?.close(),
  };
}

/** Where its page is; '' while it is off. */
export function pageUrlOf(web: Web): string {
  const address = web.address();
  return address === undefined ? '' : `${address}/`;
}
