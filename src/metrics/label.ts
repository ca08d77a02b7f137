/** The label value that takes what is beyond a cap. */
export const OTHER = '_other';

/** Characters kept of a label value. */
const MAX_LENGTH = 128;
/** Controls, bidi and other invisible formats, lone surrogates, unassigned. */
const UNPRINTABLE = /\p{C}/u;
const EACH_UNPRINTABLE = /\p{C}/gu;

/** `value` as a label value: at most 128 characters, what is not printable replaced by U+FFFD. */
export function labelOf(value: string): string {
  const short = value.length <= MAX_LENGTH ? value : value.slice(0, MAX_LENGTH);
  return UNPRINTABLE.test(short) ? short.replace(EACH_UNPRINTABLE, '\ufffd') : short;
}
