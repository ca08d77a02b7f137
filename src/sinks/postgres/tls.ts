import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';

/** The `tls` section of a backend. */
export interface TlsOptions {
  readonly ca_file?: string | undefined;
  readonly cert_file?: string | undefined;
  readonly key_file?: string | undefined;
  readonly verify: boolean;
}

/** What the driver is told of TLS. */
export interface Ssl {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly rejectUnauthorized: boolean;
  readonly checkServerIdentity?: typeof checkServerIdentity;
}

/** How to connect: the connection string without what it says of TLS, and what that comes to; `false`: no TLS. */
export interface Secured {
  readonly connectionString: string;
  readonly ssl: Ssl | false;
}

const SSLMODES = ['disable', 'allow', 'prefer', 'require', 'no-verify', 'verify-ca', 'verify-full'] as const;
type SslMode = (typeof SSLMODES)[number];
/** What a connection string says of TLS. All of it is read here: the driver knows other meanings of the modes. */
const PARAMETERS = ['sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'ssl', 'uselibpqcompat'];

/** What is wrong with the TLS parameters of a connection string; `undefined`: nothing. */
export function sslmodeError(connectionString: string): string | undefined {
  if (!URL.canParse(connectionString)) return undefined;
  const mode = new URL(connectionString).searchParams.get('sslmode');
  if (mode === null || isMode(mode)) return undefined;
  return `sslmode is one of ${SSLMODES.join(', ')}`;
}

/**
 * Reads what TLS needs. Without a `tls` section the modes of libpq hold: `require` encrypts and checks no more than
 * `sslrootcert`, if given; `verify-ca` checks the certificate, `verify-full` its name too. `allow` goes without TLS;
 * `prefer` is `require`, as there is no way back to plain text.
 */
export async function secure(connectionString: string, tls: TlsOptions | undefined): Promise<Secured> {
  const url = new URL(connectionString);
  const said = Object.fromEntries(PARAMETERS.map((name) => [name, url.searchParams.get(name) ?? undefined]));
  const isSaid = PARAMETERS.some((name) => url.searchParams.has(name));
  for (const name of PARAMETERS) url.searchParams.delete(name);
  const plain = isSaid ? url.href : connectionString;
  const host = (url.searchParams.get('host') ?? url.hostname).replace(/^\[|\]$/g, '');
  if (tls !== undefined) return { connectionString: plain, ssl: await optionsOf(tls, host) };
  const mode = said.sslmode ?? (said.ssl === 'true' || said.ssl === '1' ? 'require' : 'disable');
  const files = { ca_file: said.sslrootcert, cert_file: said.sslcert, key_file: said.sslkey };
  return {
    connectionString: plain,
    ssl: await optionsOfMode(isMode(mode) ? mode : 'verify-full', files, host),
  };
}

async function optionsOfMode(
  mode: SslMode,
  files: Omit<TlsOptions, 'verify'>,
  host: string,
): Promise<Ssl | false> {
  if (mode === 'disable' || mode === 'allow') return false;
  const isChecked = files.ca_file !== undefined || mode.startsWith('verify-');
  const ssl = await optionsOf({ ...files, verify: isChecked && mode !== 'no-verify' }, host);
  return mode === 'verify-full' ? ssl : { ...ssl, checkServerIdentity: () => undefined };
}

async function optionsOf({ ca_file, cert_file, key_file, verify }: TlsOptions, host: string): Promise<Ssl> {
  const [ca, cert, key] = await Promise.all([ca_file, cert_file, key_file].map(read));
  return {
    rejectUnauthorized: verify,
    // The driver names no host that is an address, and another name would be checked.
    ...(isIP(host) > 0 && { checkServerIdentity: (_, peer) => checkServerIdentity(host, peer) }),
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  };
}

const read = async (path: string | undefined) => (path === undefined ? undefined : readFile(path));

const isMode = (text: string): text is SslMode => SSLMODES.some((mode) => mode === text);
