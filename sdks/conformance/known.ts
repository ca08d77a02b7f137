/** Clauses that an SDK is known to break, and why; the report shows them as broken, the test expects no others. */
import type { Language } from './languages.ts';

export const KNOWN: Partial<Record<Language, Readonly<Record<string, string>>>> = {};
