import { createHash, timingSafeEqual } from 'node:crypto';
import type { Context as Call, MiddlewareHandler } from 'hono';
import { getCookie, setCookie } from 'hono/cookie';
import { refuse } from './answer.ts';
import { isPage, signIn } from './pages.ts';

/** Who may read. */
export interface Access {
  /** What a reader has to show; '': nothing. Asked at every request. */
  token(): string;
  /** The file that has it, for programs of the same user; '' if there is none. */
  readonly tokenFile: string;
}

/** What probes and scrapers read; the server is on loopback. */
const OPEN: readonly string[] = ['/healthz', '/readyz'];
const METRICS = '/metrics';

/**
 * Lets requests through that show the token: as a cookie, as `Authorization: Bearer`, or as `?token=…` of a page,
 * which sets the cookie and leads to the page without it.
 */
export function access({ token, tokenFile }: Access): MiddlewareHandler {
  return async (call, next) => {
    const wanted = token();
    if (wanted === '' || isOpen(call)) return next();
    const linked = call.req.query('token');
    if (linked !== undefined && isPage(call) && isSame(linked, wanted)) return enter(call, linked);
    if (shown(call).some((one) => isSame(one, wanted))) return next();
    if (isPage(call)) return signIn(call, linked !== undefined);
    call.header('WWW-Authenticate', 'Bearer');
    return refuse(call, 401, {
      error: 'this needs the token',
      hint: 'use the link that the sidecar printed at its start, or send Authorization: Bearer with the text of token_file',
      ...(tokenFile !== '' && { token_file: tokenFile }),
    });
  };
}

const isOpen = (call: Call) => OPEN.includes(call.req.path) || (call.req.path === METRICS && !isPage(call));

/** The tokens that a request has. */
function shown(call: Call): readonly string[] {
  const [, bearer] = /^Bearer +(\S+)$/i.exec(call.req.header('authorization') ?? '') ?? [];
  return [bearer, getCookie(call, cookieOf(call))].filter((one) => one !== undefined);
}

/** Cookies do not tell ports apart: each sidecar of a machine has one of its own. */
const cookieOf = (call: Call) => `sidecar_${new URL(call.req.url).port || '80'}`;

function enter(call: Call, token: string): Response {
  setCookie(call, cookieOf(call), token, { httpOnly: true, sameSite: 'Strict', path: '/', maxAge: YEAR_S });
  const { pathname, searchParams } = new URL(call.req.url);
  searchParams.delete('token');
  const query = searchParams.toString();
  // A path such as `//elsewhere` would lead away.
  return call.redirect(`${pathname.replace(/^\/+/, '/')}${query === '' ? '' : `?${query}`}`, 303);
}

const YEAR_S = 31_536_000;

/** In a time that says nothing of where they differ, nor of their lengths. */
const isSame = (one: string, other: string) => timingSafeEqual(digest(one), digest(other));

const digest = (text: string) => createHash('sha256').update(text).digest();
