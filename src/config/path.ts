/** Where a value stands in the configuration: keys of maps and indices of lists. */
export type Path = readonly (string | number)[];

/** One text per path, for lookup. */
export const pathKey = (path: Path): string => JSON.stringify(path);

const PLAIN = /^[\p{L}\p{N}_*?+@/:,{}!|~$%&<>;^-]+$/u;

/** `routing.queue-service[0].backend`; a key with dots, brackets, quotes or spaces as `["a.b"]`. */
export function formatPath(path: Path): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (PLAIN.test(part)) text += text === '' ? part : `.${part}`;
    else text += `[${JSON.stringify(part)}]`;
  }
  return text;
}

const STEP = /\[(\d{1,6})\]|\[("(?:[^"\\]|\\.)*")\]|(?:^|\.)([^\s.[\]"=]+)/y;

/** Reads what `formatPath` writes; `undefined` where the text is no path. */
export function parsePath(text: string): Path | undefined {
  const path: (string | number)[] = [];
  STEP.lastIndex = 0;
  while (STEP.lastIndex < text.length) {
    const [, index, quoted, plain] = STEP.exec(text) ?? [];
    if (index !== undefined) path.push(Number(index));
    else if (plain !== undefined) path.push(plain);
    else {
      const key = quoted === undefined ? undefined : unquote(quoted);
      if (key === undefined) return undefined;
      path.push(key);
    }
  }
  return path.length === 0 ? undefined : path;
}

function unquote(text: string): string | undefined {
  try {
    return String(JSON.parse(text));
  } catch {
    return undefined;
  }
}
