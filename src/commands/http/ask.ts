/** What a sidecar's HTTP side answered; `body` is `undefined` where it is no JSON. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

const TIMEOUT_MS = 5_000;

/** What is asked for beside a path. */
export interface Asked {
  /** The path's last part, whatever is in it. */
  readonly id?: string;
  /** Posted. */
  readonly text?: string;
}

/** Asks a path of the sidecar at `url`. Rejects with `Error` saying why there is no answer. */
export async function ask(url: string, path: string, { id, text }: Asked = {}): Promise<Answer> {
  try {
    const rest = id === undefined ? '' : `/${encodeURIComponent(id)}`;
    const response = await fetch(`${url.replace(/\/+$/, '')}${path}${rest}`, {
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(text !== undefined && {
        method: 'POST',
        body: text,
        headers: { 'Content-Type': 'application/yaml' },
      }),
    });
    const body = await response.text();
    return { status: response.status, body: parsed(body) };
  } catch (error) {
    throw new Error(reasonOf(error), { cause: error });
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** `fetch` hides what happened in its error's cause, which has only a code when several addresses were tried. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  const { message: why, code } = (cause ?? {}) as NodeJS.ErrnoException;
  return why || code || message;
}
