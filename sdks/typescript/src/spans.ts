import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import type { Plain } from './values.ts';

const MAX_OPEN_SPANS = 1024;
const TRACEPARENT = /^[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}/;

/** A trace and a span in it; '' where there is none. */
export interface Place {
  readonly trace: string;
  readonly span: string;
}

/** Options of a span. */
export interface SpanOptions {
  /** Id of the span that it is a child of; else the one that is open in this context. */
  readonly parent?: string | undefined;
  /** W3C Trace Context of a span in another process. */
  readonly traceparent?: string | undefined;
  /** What its end says of it, as it is when the span begins. */
  readonly attributes?: unknown;
}

export interface Span {
  readonly id: string;
  readonly trace: string;
  /** What its end repeats of its start. */
  readonly core: { readonly [key: string]: Plain };
  readonly attributes: { readonly [key: string]: Plain };
  readonly startMs: number;
  /** The one that was open in this context before. */
  readonly outer: Span | undefined;
}

/** The spans that are open, and which of them is open in this context. */
export class Spans {
  readonly #open = new Map<string, Span>();
  readonly #inContext = new AsyncLocalStorage<Span | undefined>();

  get size(): number {
    return this.#open.size;
  }

  /** Their ids, the newest first. */
  ids(): string[] {
    return [...this.#open.keys()].reverse();
  }

  get(id: string): Span | undefined {
    return this.#open.get(id);
  }

  /** The oldest leaves when there are too many. */
  add(span: Span): void {
    const [oldest] = this.size >= MAX_OPEN_SPANS ? this.#open.keys() : [];
    if (oldest !== undefined) this.#open.delete(oldest);
    this.#open.set(span.id, span);
  }

  /** Takes one out, and steps out of it. */
  remove(span: Span): void {
    this.#open.delete(span.id);
    if (this.#inContext.getStore() === span) this.#inContext.enterWith(span.outer);
  }

  /** The innermost one of this context that is still open. */
  current(): Span | undefined {
    let span = this.#inContext.getStore();
    while (span !== undefined && !this.#open.has(span.id)) span = span.outer;
    return span;
  }

  /** What this context is in, still open or not. */
  context(): Span | undefined {
    return this.#inContext.getStore();
  }

  /** From now on this context is in `span`. */
  enter(span: Span): void {
    this.#inContext.enterWith(span);
  }

  /** `work` is in `span`. */
  run<T>(span: Span | undefined, work: () => T): T {
    return this.#inContext.run(span ?? this.context(), work);
  }
}

/** Gives what `work` gives, a promise or an exception too, and calls `end` when that is there. */
export function ending<T>(work: () => T, end: (error?: { readonly cause: unknown }) => void): T {
  let result: T;
  try {
    result = work();
  } catch (cause) {
    end({ cause });
    throw cause;
  }
  if (!(result instanceof Promise)) {
    end();
    return result;
  }
  const ended = result.then(
    (value) => {
      end();
      return value;
    },
    (cause) => {
      end({ cause });
      throw cause;
    },
  );
  return ended as T;
}

/** Undefined for what is no W3C Trace Context. */
export function parseTraceparent(text: unknown): Place | undefined {
  const [, trace = '', span = ''] = (typeof text === 'string' && TRACEPARENT.exec(text.trim().toLowerCase())) || [];
  return trace === '' ? undefined : { trace, span };
}

/** Hexadecimal digits of the system's random source, never all zero. */
export function newId(bytes: number): string {
  for (;;) {
    const id = randomBytes(bytes).toString('hex');
    if (/[^0]/.test(id)) return id;
  }
}
