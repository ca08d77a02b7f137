import { readFile } from 'node:fs/promises';
import { extname, join, normalize, sep } from 'node:path';
import type { Context as Call } from 'hono';

/** What the page may do: its own scripts, styles and API; no markup from text. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.txt': 'text/plain; charset=utf-8',
};

/** Where the page shows itself; each answers with the same document. */
const ROUTES: readonly RegExp[] = [
  /^\/$/,
  /^\/(jobs|live|metrics|health|config)\/?$/,
  /^\/(jobs|traces)\/[^/]+\/?$/,
];

/** Names of Vite's assets have a hash of what is in them. */
const HASHED = /^\/assets\/.+-[\w-]{8,}\.\w+$/;

/** Whether a browser asks for a page, not a program for data. */
export function isPage(call: Call): boolean {
  const { path, method } = call.req;
  const isReading = method === 'GET' || method === 'HEAD';
  return isReading && acceptsHtml(call) && ROUTES.some((route) => route.test(path));
}

const acceptsHtml = (call: Call) => /\btext\/html\b/.test(call.req.header('accept') ?? '');

/** Serves the built page from `dir`; `undefined`: there is nothing of this name. Files are read when asked for. */
export function createPages(dir: string): (call: Call) => Promise<Response | undefined> {
  return async (call) => {
    if (isPage(call)) return index(call, dir);
    const file = fileOf(call.req.path, dir);
    const found = file === undefined ? undefined : await read(file);
    if (file === undefined || found === undefined) return undefined;
    if (HASHED.test(call.req.path)) call.header('Cache-Control', 'private, max-age=31536000, immutable');
    call.header('Content-Security-Policy', PAGE_POLICY);
    return call.body(found, 200, { 'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream' });
  };
}

async function index(call: Call, dir: string): Promise<Response> {
  const page = await read(join(dir, 'index.html'));
  if (page === undefined) return html(call, 200, NOT_BUILT);
  call.header('Content-Security-Policy', PAGE_POLICY);
  return call.body(page, 200, { 'Content-Type': TYPES['.html'] ?? '' });
}

/** The file of a path, if it is one that a build makes: below `dir`, and not hidden. */
function fileOf(path: string, dir: string): string | undefined {
  if (!/^\/[\w./-]+$/.test(path) || /\/\./.test(path) || TYPES[extname(path)] === undefined) return undefined;
  const file = normalize(join(dir, path));
  return file.startsWith(dir.endsWith(sep) ? dir : dir + sep) ? file : undefined;
}

async function read(file: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return new Uint8Array(await readFile(file));
  } catch {
    return undefined;
  }
}

function html(call: Call, status: 200 | 401, body: string): Response {
  call.header('Content-Security-Policy', "default-src 'none'; form-action 'self'; frame-ancestors 'none'");
  return call.html(
    `<!doctype html><html lang="en"><meta charset="utf-8"><title>monitoring-sidecar</title><main><h1>monitoring-sidecar</h1>${body}</main></html>`,
    status,
  );
}

const NOT_BUILT = `<p>The web page is not built here. In a checkout, <code>npm run build</code> builds it; the npm package has it.</p>
<p>Everything that it shows is at <a href="/api/v1/overview">/api/v1/overview</a> and beside; <code>docs/api.md</code> explains it.</p>`;

/** Asks a person for the token. */
export function signIn(call: Call, wasWrong: boolean): Response {
  const problem = wasWrong ? '<p role="alert">This token is not the one of this sidecar.</p>' : '';
  return html(
    call,
    401,
    `${problem}<p>Open the link that the sidecar printed at its start, or give its token, which is in <code>http-token</code> in its <code>data_dir</code>.</p>
<form method="get"><label>Token <input name="token" type="password" autocomplete="off" required autofocus></label> <button>Open</button></form>
<p>You came by a link of another site and had been here before? <a href="">Continue</a></p>`,
  );
}
