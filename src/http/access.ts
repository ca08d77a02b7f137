import { createHash, timingSafeEqual } from 'node:crypto';
import { getConnInfo } from '@hono/node-server/conninfo';
import type { Context as Call, MiddlewareHandler } from 'hono';
import { getCookie, setCookie } from 'hono/cookie';
import { isLoopback } from '../hosts.ts';
import { refuse } from './answer.ts';
import { isPage, signIn } from './pages.ts';

/** Who may read. */
export interface Access {
  /** What a reader has to show; '': nothing. Asked at every request. */
  token(): string;
  /** The file that has it, for programs of the same user; '' if there is none. Asked likewise. */
  tokenFile(): string;
}

/** What probes read. */
const ALIVE = '/healthz';
const READY = '/readyz';
/** What scrapers read. */
const METRICS = '/metrics';
/** Set of a call whose maker has not shown the token, and is told yes or no only. */
const STRANGER = 'stranger';

/**
 * Lets requests through that show the token: as a cookie, as `Authorization: Bearer`, or as `?token=…` of a page,
 * which sets the cookie and leads to the page without it. Without it probes and scrapers of this machine read what is
 * for them; of a server beyond loopback (`isRemote`) only whether it is alive and ready.
 */
export function access({ token, tokenFile }: Access, isRemote: boolean): MiddlewareHandler {
  const isOpen = isRemote ? isProbe : isProbeOrScraper;
  return async (call, next) => {
    const wanted = token();
    const isSet = wanted !== '';
    if (!isSet && !isRemote) return next();
    const linked = call.req.query('token');
    if (isSet && linked !== undefined && isPage(call) && isSame(linked, wanted)) return enter(call, linked);
    if (isSet && shown(call).some((one) => isSame(one, wanted))) return next();
    if (isOpen(call)) {
      call.set(STRANGER, isRemote);
      return next();
    }
    if (isPage(call)) return signIn(call, linked !== undefined);
    call.header('WWW-Authenticate', 'Bearer');
    return refuse(call, 401, {
      error: 'this needs the token',
      hint: 'use the link that the sidecar printed at its start, or send Authorization: Bearer with the text of http-token in its data_dir',
      ...(tokenFile() !== '' && isFromHere(call) && { token_file: tokenFile() }),
    });
  };
}

/** Whether a call that was let through is to be told no details. */
export const isStranger = (call: Call): boolean => call.get(STRANGER) === true;

/** Whether a program of this machine asks: others have no use for the name of a file. */
const isFromHere = (call: Call) => isLoopback(getConnInfo(call).remote.address ?? '');

const isProbe = ({ req }: Call) => req.path === ALIVE || req.path === READY;
const isProbeOrScraper = (call: Call) => isProbe(call) || (call.req.path === METRICS && !isPage(call));

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
