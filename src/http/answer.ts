import type { Context as Call } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';

/** On every answer: nothing is stored, sniffed, framed or read by another origin. */
export const SAFE_HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
} as const;

/** What an answer that is not a success says: what is wrong and what to do. */
export interface Problem {
  readonly error: string;
  readonly hint: string;
  /** Of a missing token: the file that has it. */
  readonly token_file?: string;
}

/** Answers with a problem as JSON. */
export const refuse = (call: Call, status: ContentfulStatusCode, problem: Problem) =>
  call.json(problem, status);
