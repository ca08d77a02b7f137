/** Position after the JSON string that opens at `at`. */
export function afterString(text: string, at: number): number {
  for (let end = text.indexOf('"', at + 1); ; end = text.indexOf('"', end + 1)) {
    let slashes = end - 1;
    while (text.charCodeAt(slashes) === 92) slashes--;
    if ((end - slashes) % 2 === 1) return end + 1;
  }
}

/** Position of the comma or brace that ends the member value starting at `at`. */
function afterValue(text: string, at: number): number {
  let depth = 0;
  let end = at;
  for (;;) {
    const char = text.charCodeAt(end);
    if (char === 34) {
      end = afterString(text, end);
      continue;
    }
    if (depth === 0 && (char === 44 || char === 125)) return end;
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
export function* members(text: string): Generator<Member> {
  let at = skipBlank(text, skipBlank(text, 0) + 1);
  while (text.charCodeAt(at) === 34) {
    const keyEnd = afterString(text, at);
    const end = afterValue(text, keyEnd);
    const valueFrom = skipBlank(text, keyEnd) + 1;
    const key = text.slice(at + 1, keyEnd - 1);
    yield {
      key: key.includes('\\') ? JSON.parse(`"${key}"`) : key,
      text: text.slice(at, end),
      value: text.slice(valueFrom, end),
    };
    at = skipBlank(text, end + 1);
  }
}
