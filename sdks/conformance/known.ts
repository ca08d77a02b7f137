/** Clauses that an SDK is known to break, and why; the report shows them as broken, the test expects no others. */
import type { Language } from './languages.ts';

export const KNOWN: Partial<Record<Language, Readonly<Record<string, string>>>> = {
  perl: {
    C27: 'before_send is still to come',
    C35: 'of the options, protocol is still to come: it speaks NDJSON only',
    C41: 'MessagePack is still to come; its NDJSON is that of the others',
  },
  r: { C19: 'base R opens its sockets without close-on-exec, and has no call to set it' },
};
