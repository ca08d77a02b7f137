import { once } from 'node:events';
import { chmod, lstat, unlink } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import { dirname } from 'node:path';

/** Where a listener listens: a TCP port (0: any free one) or a Unix socket with its permissions, as in `0o660`. */
export type Address =
  | { readonly host: string; readonly port: number }
  | { readonly path: string; readonly mode: number };

/** Connections that the kernel may hold before they are accepted. */
export const BACKLOG = 512;
/** Bytes that `sockaddr_un` has for a path (Linux; others have fewer and say so), less the NUL. */
const MAX_PATH_BYTES = 107;

/**
 * Has `server` listen and returns the address really bound, `host:port` or the path. A socket file that nobody
 * listens on is replaced. Rejects with an `Error` that says where, why and what to do.
 */
export async function bind(server: Server, address: Address): Promise<string> {
  try {
    if ('path' in address) await bindPath(server, address.path, address.mode);
    else await listen(server, { host: address.host, port: address.port });
  } catch (error) {
    throw explained(address, error as NodeJS.ErrnoException);
  }
  const bound = server.address();
  if (bound === null || typeof bound === 'string') return nameOf(address);
  return nameOf({ host: bound.address, port: bound.port });
}

/** `host:port`, `[host]:port` for IPv6, or the path. */
function nameOf(address: Address): string {
  if ('path' in address) return address.path;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

async function listen(
  server: Server,
  where: { host: string; port: number } | { path: string },
): Promise<void> {
  server.listen({ ...where, backlog: BACKLOG });
  await once(server, 'listening');
}

async function bindPath(server: Server, path: string, mode: number): Promise<void> {
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) throw failure('ENAMETOOLONG');
  // libuv would call a missing folder a lack of permission
  await lstat(dirname(path));
  await removeStale(path);
  await listen(server, { path });
  await chmod(path, mode);
}

/** Removes a socket file that a sidecar left behind when it was killed. */
async function removeStale(path: string): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats === undefined) return;
  if (!stats.isSocket()) throw failure('EEXIST');
  const probe = connect(path);
  const answer = await once(probe, 'connect').then(
    () => 'EADDRINUSE',
    (error: NodeJS.ErrnoException) => error.code ?? 'EADDRINUSE',
  );
  probe.destroy();
  if (answer !== 'ECONNREFUSED') throw failure(answer);
  await unlink(path);
}

const failure = (code: string) => Object.assign(new Error(code), { code });

const CAUSES: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens there; stop it, or choose another port or path',
  EADDRNOTAVAIL: 'this machine has no such address; choose one that it has, or 0.0.0.0 for all of them',
  ENOTFOUND: 'the host name is unknown; choose an IP address, or a name that this machine resolves',
  EACCES: 'permission denied; choose a port from 1024 on',
  ENOENT: 'its folder does not exist; create it, or choose another path',
  EEXIST: 'a file that is not a socket is in the way; move it, or choose another path',
  ENAMETOOLONG: `a socket's path has at most ${MAX_PATH_BYTES} bytes; choose a shorter one`,
};

/** Where a path has causes of its own. */
const PATH_CAUSES: typeof CAUSES = {
  ...CAUSES,
  EACCES: 'permission denied; choose a folder that this user may write to',
};

function explained(address: Address, error: NodeJS.ErrnoException): Error {
  const code = error.code ?? '';
  const known = ('path' in address ? PATH_CAUSES : CAUSES)[code];
  const cause = known === undefined ? error.message : `${known} (${code})`;
  return new Error(`cannot listen on ${nameOf(address)}: ${cause}`, { cause: error });
}
