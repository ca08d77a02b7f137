import type { Context as Call, MiddlewareHandler } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { type Problem, refuse, SAFE_HEADERS } from './answer.ts';

interface Refusal extends Problem {
  readonly status: ContentfulStatusCode;
}

/** Host names under which the sidecar answers, beside the one it is bound to. */
const HOSTS = ['127.0.0.1', 'localhost', '[::1]'];

/**
 * Lets only requests through that were meant for this server and that no other web site made. A page on the
 * internet can reach loopback from a user's browser, by its address or by a name that it points there (DNS
 * rebinding); it cannot choose `Host`, `Origin` or `Sec-Fetch-Site`.
 *
 * @param host as in a URL, the one that the server is bound to.
 * @param isRemote other machines reach it, by whatever name: any `Host` is served, as what a name of somebody else's
 * leads to has no cookie here, and reads nothing without the token.
 */
export function guard(host: string, isRemote: boolean): MiddlewareHandler {
  const hosts = new Set([...HOSTS, host]);
  return async (call, next) => {
    for (const [name, value] of Object.entries(SAFE_HEADERS)) call.header(name, value);
    const stray = isRemote ? undefined : misdirected(call, hosts);
    const refusal = stray ?? crossSite(call, isRemote) ?? notReading(call);
    if (refusal === undefined) return next();
    if (refusal.status === 405) call.header('Allow', call.req.path === PLAN_PATH ? 'POST' : 'GET, HEAD');
    const { status, error, hint } = refusal;
    return refuse(call, status, { error, hint });
  };
}

const hostnameOf = (host: string) => host.toLowerCase().replace(/:\d{1,5}$/, '');

function misdirected(call: Call, hosts: ReadonlySet<string>): Refusal | undefined {
  // A request line with an absolute URL overrides `Host` (RFC 9112, 3.2.2): both must be ours.
  const asked = [call.req.header('host') ?? '', new URL(call.req.url).host];
  if (asked.every((host) => hosts.has(hostnameOf(host)))) return undefined;
  return {
    status: 421,
    error: 'this host name is not served here',
    hint: `use one of ${[...hosts].join(', ')}`,
  };
}

function crossSite(call: Call, isRemote: boolean): Refusal | undefined {
  const origin = call.req.header('origin');
  const host = call.req.header('host')?.toLowerCase();
  // A proxy before it may speak TLS.
  const own = isRemote ? [`http://${host}`, `https://${host}`] : [`http://${host}`];
  const foreign = origin !== undefined && !own.includes(origin.toLowerCase());
  if (!foreign && fromHere(call)) return undefined;
  return {
    status: 403,
    error: 'requests by other web sites are refused',
    hint: "open the sidecar's address itself, or use a program such as curl",
  };
}

/** Whether the sidecar's own page, the user or a program asks. Following a link from elsewhere is the user asking. */
function fromHere(call: Call): boolean {
  const site = call.req.header('sec-fetch-site') ?? 'none';
  const followed =
    call.req.header('sec-fetch-mode') === 'navigate' && call.req.header('sec-fetch-dest') === 'document';
  return site === 'none' || site === 'same-origin' || followed;
}

/** The one path that is posted to: it answers a question that is too long for a URL, and changes nothing. */
export const PLAN_PATH = '/api/v1/plan';

function notReading(call: Call): Refusal | undefined {
  const { method, path } = call.req;
  if (path === PLAN_PATH ? method === 'POST' : method === 'GET' || method === 'HEAD') return undefined;
  return {
    status: 405,
    error: 'the method is not allowed',
    hint: `everything here is read with GET or HEAD, and ${PLAN_PATH} is posted to; the configuration is changed in its file`,
  };
}
