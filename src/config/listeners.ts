import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { z } from 'zod';
import { clash, isLoopback } from '../hosts.ts';
import type { Draft } from './draft.ts';
import { reasonOf } from './file.ts';
import type { configSchema } from './schema.ts';

type Base = z.output<typeof configSchema>;

/** Checks where the sidecar listens: something to listen on, no address twice, nothing open by accident. */
export function checkListeners({ tcp, tls, http, auth }: Base, draft: Draft): void {
  if (tcp.port === false && tcp.socket === undefined) {
    draft.errors.push({
      path: ['tcp', 'port'],
      message: 'with the port off there must be a socket (tcp.socket)',
    });
  }
  if (http.enabled && !isLoopback(http.host) && http.auth === 'none') {
    draft.errors.push({
      path: ['http', 'auth'],
      message: `must be token: http.host "${http.host}" can be reached by others than the users of this machine`,
    });
  }
  if (http.enabled && tcp.port !== false && clash({ host: tcp.host, port: tcp.port }, http)) {
    draft.errors.push({
      path: ['http', 'port'],
      message: `tcp.port is ${http.port} too; they need two ports`,
    });
  }
  if (tls?.client_certificates === 'required' && tls.ca === undefined) {
    draft.errors.push({
      path: ['tls', 'client_certificates'],
      message: 'needs tls.ca, the authority that signs them',
    });
  }
  const isGuarded = auth.token !== undefined || tls?.client_certificates === 'required';
  if (tcp.port === false || isLoopback(tcp.host) || isGuarded) return;
  const open = `"${tcp.host}" takes records from everybody who can reach this host`;
  const remedy = 'listen on 127.0.0.1, or set auth.token or tls.client_certificates: required';
  if (auth.required)
    draft.errors.push({ path: ['auth', 'required'], message: `tcp.host ${open}; ${remedy}` });
  else draft.warnings.push({ path: ['tcp', 'host'], message: `${open}; ${remedy}` });
}

type Tls = NonNullable<Base['tls']>;

/** `tls` with the PEM text in the place of file names, once it is known to work; `undefined` after an error. */
export function readTls(tls: Tls, readFile: (path: string) => string, draft: Draft): Tls | undefined {
  const before = draft.errors.length;
  const read = (key: 'cert' | 'key' | 'ca', value: string): string => {
    if (value.includes('-----BEGIN ')) return value;
    try {
      return readFile(value);
    } catch (error) {
      draft.errors.push({ path: ['tls', key], message: `cannot read ${value}: ${reasonOf(error)}` });
      return '';
    }
  };
  const pem = { ...tls, cert: read('cert', tls.cert), key: read('key', tls.key) };
  if (tls.ca !== undefined) pem.ca = read('ca', tls.ca);
  if (draft.errors.length > before) return undefined;
  const problem = tlsProblem(pem);
  if (problem === undefined) return pem;
  draft.errors.push(problem);
  return undefined;
}

function tlsProblem({ cert, key, ca }: Tls) {
  const noCertificate = 'holds no certificate in PEM form';
  const wrongKey = 'is no private key in PEM form, or not the one of tls.cert';
  if (!works(() => new X509Certificate(cert))) return { path: ['tls', 'cert'], message: noCertificate };
  if (!works(() => createSecureContext({ cert, key }))) return { path: ['tls', 'key'], message: wrongKey };
  const isAuthority = ca === undefined || works(() => new X509Certificate(ca));
  return isAuthority ? undefined : { path: ['tls', 'ca'], message: noCertificate };
}

function works(attempt: () => unknown): boolean {
  try {
    attempt();
    return true;
  } catch {
    return false;
  }
}
