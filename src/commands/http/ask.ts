import { readToken } from './token.ts';

/** What a sidecar's HTTP side answered; `body` is `undefined` where it is no JSON. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** How long an answer may take to begin. */
export const TIMEOUT_MS = 5_000;

/** What is asked for beside a path. */
export interface Asked {
  /** The path's last part, whatever is in it. */
  readonly id?: string;
  /** Posted. */
  readonly text?: string;
  /** After `?`. */
  readonly query?: URLSearchParams;
  /** Absent: the one that the sidecar's own file has. */
  readonly token?: string | undefined;
}

/** Asks a path of the sidecar at `url`. Rejects with `Error` saying why there is no answer. */
export async function ask(url: string, path: string, asked: Asked = {}): Promise<Answer> {
  const { id, text, query = new URLSearchParams() } = asked;
  const rest = id === undefined ? '' : `/${encodeURIComponent(id)}`;
  const place = `${url.replace(/\/+$/, '')}${path}${rest}${query.size === 0 ? '' : `?${query}`}`;
  const request = {
    signal: AbortSignal.timeout(TIMEOUT_MS),
    ...(text !== undefined && {
      method: 'POST',
      body: text,
      headers: { 'Content-Type': 'application/yaml' },
    }),
  };
  try {
    const response = await authorised(place, request, asked.token);
    return { status: response.status, body: parsed(await response.text()) };
  } catch (error) {
    throw new Error(reasonOf(error), { cause: error });
  }
}

/** Like `fetch`, with the token: the one given, else the one of the file that the sidecar names. */
export async function authorised(
  place: string,
  { headers, ...request }: Omit<RequestInit, 'headers'> & { readonly headers?: Record<string, string> },
  token: string | undefined,
): Promise<Response> {
  const send = (known: string | undefined) =>
    fetch(place, {
      ...request,
      redirect: 'manual',
      headers: { ...headers, ...(known !== undefined && { Authorization: `Bearer ${known}` }) },
    });
  const response = await send(token);
  if (response.status !== 401 || token !== undefined) return response;
  const known = await readToken(parsed(await response.clone().text()));
  return known === undefined ? response : send(known);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** `fetch` hides what happened in its error's cause, which has only a code when several addresses were tried. */
export function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  const { message: why, code } = (cause ?? {}) as NodeJS.ErrnoException;
  return why || code || message;
}
