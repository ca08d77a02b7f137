/** Position after the JSON string that opens at `at`. */
function afterString(text: string, at: number): number {
  let end = at + 1;
  for (;;) {
    const char = text.charCodeAt(end);
    if (char === 92) end += 2;
    else if (char === 34) return end + 1;
    else end++;
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
    yield {
      key: JSON.parse(text.slice(at, keyEnd)),
      text: text.slice(at, end),
      value: text.slice(valueFrom, end),
    };
    at = skipBlank(text, end + 1);
  }
}

/**
 * Rewrites top-level members of a valid JSON object's text without touching any other byte of a value, so that
 * numbers beyond 2^53 and the sender's own spelling survive. A key of `changes` is replaced by the given JSON
 * text, or removed for `undefined`; of a duplicated key the last one stays, as `JSON.parse` has it.
 */
export function rewrite(text: string, changes: ReadonlyMap<string, string | undefined>): string {
  const kept = new Map<string, string>();
  for (const member of members(text)) kept.set(member.key, member.text);
  for (const [key, value] of changes) {
    if (value === undefined) kept.delete(key);
    else kept.set(key, `${JSON.stringify(key)}:${value}`);
  }
  return `{${[...kept.values()].join(',')}}`;
}
