import { authorised, reasonOf, TIMEOUT_MS } from './ask.ts';

/** One server-sent event. */
export interface ServerEvent {
  readonly event: string;
  /** Parsed. */
  readonly data: unknown;
}

/** A path's answer where it is no stream. */
export class NoStream extends Error {
  override readonly name = 'NoStream';
  readonly status: number;
  constructor(status: number, said: string) {
    super(said);
    this.status = status;
  }
}

export interface EventsOptions {
  readonly token?: string | undefined;
  /** Ends the stream, without an error. */
  readonly signal: AbortSignal;
}

/** Events of a stream, as they come, until it ends. Throws `NoStream`, and `Error` that says why there is none. */
export async function* eventsOf(
  place: string,
  { token, signal }: EventsOptions,
): AsyncGenerator<ServerEvent> {
  const waiting = new AbortController();
  const late = AbortSignal.timeout(TIMEOUT_MS);
  const giveUp = () => waiting.abort(late.reason);
  late.addEventListener('abort', giveUp);
  try {
    const request = {
      signal: AbortSignal.any([signal, waiting.signal]),
      headers: { Accept: 'text/event-stream' },
    };
    const response = await authorised(place, request, token);
    late.removeEventListener('abort', giveUp);
    const isStream = response.headers.get('content-type')?.startsWith('text/event-stream');
    if (response.status !== 200 || !isStream || response.body === null) {
      throw new NoStream(response.status, saidOf(await response.text()));
    }
    const decoder = new TextDecoder();
    let rest = '';
    for await (const chunk of response.body) {
      const blocks = (rest + decoder.decode(chunk, { stream: true })).split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) yield* parsed(block);
    }
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof NoStream) throw error;
    throw new Error(reasonOf(error), { cause: error });
  }
}

function* parsed(block: string): Generator<ServerEvent> {
  const field = (name: string) =>
    block
      .split('\n')
      .find((line) => line.startsWith(`${name}: `))
      ?.slice(name.length + 2);
  const [event, data] = [field('event'), field('data')];
  if (event !== undefined && data !== undefined) yield { event, data: JSON.parse(data) };
}

/** What an answer that is no stream says. */
function saidOf(text: string): string {
  try {
    const { error, hint } = JSON.parse(text) as { error?: unknown; hint?: unknown };
    return `${error}: ${hint}`;
  } catch {
    return 'which no sidecar says';
  }
}
