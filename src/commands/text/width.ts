const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });
/** East Asian wide characters and emoji take two columns. */
const WIDE =
  /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]/u;

const charactersOf = (text: string) =>
  Array.from(graphemes.segment(text), ({ segment }) => ({ segment, width: WIDE.test(segment) ? 2 : 1 }));

/** Columns that `text` takes. */
export const widthOf = (text: string) => charactersOf(text).reduce((sum, { width }) => sum + width, 0);

/** `text` in at most `columns` columns, with `…` where it was cut. */
export function fitted(text: string, columns: number): string {
  if (columns === Number.POSITIVE_INFINITY || widthOf(text) <= columns) return text;
  let kept = '';
  let left = columns - 1;
  for (const { segment, width } of charactersOf(text)) {
    if (width > left) break;
    kept += segment;
    left -= width;
  }
  return `${kept.trimEnd()}…`;
}
