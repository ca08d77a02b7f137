import { constants, X509Certificate } from 'node:crypto';
import type { Server, ServerOpts } from 'node:net';
import { createServer } from 'node:tls';

/** TLS on a listener. The three texts are PEM. */
export interface TlsOptions {
  readonly cert: string;
  readonly key: string;
  /** The authorities whose client certificates are accepted. */
  readonly ca?: string;
  /** `required`: mutual TLS; whoever has no certificate of `ca` is refused. */
  readonly clientCertificates: 'none' | 'required';
  /**
   * Default `TLSv1.2`: from 1.3 on the server sends session tickets after the handshake. A client that only
   * writes never reads them, and closing a socket with unread bytes resets it: of 200 kB sent so to a busy
   * server, 120 kB were lost, and neither side saw an error. For clients that read, 1.3 is safe.
   */
  readonly maxVersion?: 'TLSv1.2' | 'TLSv1.3';
}

const HANDSHAKE_TIMEOUT_MS = 10_000;

/** A TLS server that says not a byte after the handshake. Throws `Error` if the options are of no use. */
export function createTlsServer(options: TlsOptions, sockets: ServerOpts): Server {
  const { cert, key, ca, clientCertificates, maxVersion = 'TLSv1.2' } = options;
  const isMutual = clientCertificates === 'required';
  if (isMutual && !ca) {
    throw new Error(
      'client certificates are required, but no authority is given to check them: set `tls.ca`',
    );
  }
  try {
    return createServer({
      ...sockets,
      cert,
      key,
      ...(ca && { ca }),
      requestCert: isMutual,
      rejectUnauthorized: isMutual,
      minVersion: 'TLSv1.2',
      maxVersion,
      secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    });
  } catch (error) {
    const { message } = error as Error;
    throw new Error(
      `the certificate, key or authority of \`tls\` is not usable PEM, or they do not match: ${message}`,
      {
        cause: error,
      },
    );
  }
}

/** From when to when a certificate is valid; `undefined` where `nowMs` is within. */
export function outOfDate(
  cert: string,
  nowMs: number,
): Readonly<Record<'valid_from' | 'valid_to', string>> | undefined {
  const { validFrom, validTo } = new X509Certificate(cert);
  if (Date.parse(validFrom) <= nowMs && nowMs <= Date.parse(validTo)) return undefined;
  return { valid_from: validFrom, valid_to: validTo };
}
