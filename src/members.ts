/** Position after the JSON string that opens at `at`. */
export function afterString(text: string, at: number): number {
  for (let end = text.indexOf('"', at + 1); ; end = text.indexOf('"', end + 1)) {
    let slashes = end - 1;
    while (text.charCodeAt(slashes) === 92) slashes--;
    if ((end - slashes) % 2 === 1) return end + 1;
  }
}

/** Position of the comma or brace that ends the member value starting at `at`; of the text's end, if that comes first. */
function afterValue(text: string, at: number): number {
  let depth = 0;
  let end = at;
  for (;;) {
    const char = text.charCodeAt(end);
    if (char === 34) {
      end = afterString(text, end);
      continue;
    }
    if ((depth === 0 && (char === 44 || char === 125)) || Number.isNaN(char)) return end;
    if (char === 123 || char === 91) depth++;
    else if (char === 125 || char === 93) depth--;
    end++;
  }
}

const isBlank = (char: number) => char === 32 || char === 9 || char === 10 || char === 13;

function skipBlank(text: string, at: number): number {
  let end = at;
  while (isBlank(text.charCodeAt(end))) end++;
  return end;
}

/** A member of a JSON object: its key decoded, its own text, and the part of that which is the value, untouched. */
export interface Member {
  readonly key: string;
  readonly text: string;
  readonly value: string;
}

/** The members of a valid JSON object's text, in order. */
export function members(text: string): readonly Member[] {
  const all: Member[] = [];
  eachMember(text, (key, from, valueFrom, end) => {
    all.push({ key, text: text.slice(from, end), value: text.slice(valueFrom, end) });
  });
  return all;
}

/**
 * Visits the members of a valid JSON object's text, in order: `text.slice(from, end)` is one, `text.slice(valueFrom,
 * end)` its value. The object's closing brace may be missing.
 */
export function eachMember(
  text: string,
  visit: (key: string, from: number, valueFrom: number, end: number) => void,
): void {
  let at = skipBlank(text, skipBlank(text, 0) + 1);
  while (text.charCodeAt(at) === 34) {
    const keyEnd = afterString(text, at);
    const valueFrom = skipBlank(text, skipBlank(text, keyEnd) + 1);
    const end = afterValue(text, valueFrom);
    const key = text.slice(at + 1, keyEnd - 1);
    visit(key.includes('\\') ? JSON.parse(`"${key}"`) : key, at, valueFrom, end);
    at = skipBlank(text, end + 1);
  }
}
