const CONTEXT = 3;
/** Comparing takes as many steps as the product of the lines that differ; past it, all of them are taken as changed. */
const MAX_STEPS = 4_000_000;

/** ` ` kept, `-` removed, `+` added. */
type Edit = readonly [mark: ' ' | '-' | '+', line: string];

/**
 * A unified diff of two texts, as `diff -u` and `git` write it, without times; `''` if they are the same.
 * `names` are those of the two sides.
 */
export function unifiedDiff(before: string, after: string, names: readonly [string, string]): string {
  if (before === after) return '';
  const edits = editsOf(before.split('\n'), after.split('\n'));
  const hunks = hunksOf(edits);
  return [`--- ${names[0]}`, `+++ ${names[1]}`, ...hunks.flatMap((hunk) => drawn(hunk, edits)), ''].join(
    '\n',
  );
}

function editsOf(before: readonly string[], after: readonly string[]): readonly Edit[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let [beforeEnd, afterEnd] = [before.length, after.length];
  while (beforeEnd > start && afterEnd > start && before[beforeEnd - 1] === after[afterEnd - 1]) {
    beforeEnd--;
    afterEnd--;
  }
  const kept = (lines: readonly string[]) => lines.map((line): Edit => [' ', line]);
  return [
    ...kept(before.slice(0, start)),
    ...middle(before.slice(start, beforeEnd), after.slice(start, afterEnd)),
    ...kept(before.slice(beforeEnd)),
  ];
}

/** By the longest common subsequence. */
function middle(before: readonly string[], after: readonly string[]): readonly Edit[] {
  const removed = before.map((line): Edit => ['-', line]);
  const added = after.map((line): Edit => ['+', line]);
  if (before.length * after.length > MAX_STEPS) return [...removed, ...added];
  const width = after.length + 1;
  const longest = new Uint32Array((before.length + 1) * width);
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      const isSame = before[i] === after[j];
      const down = longest[(i + 1) * width + j] ?? 0;
      const right = longest[i * width + j + 1] ?? 0;
      longest[i * width + j] = isSame ? (longest[(i + 1) * width + j + 1] ?? 0) + 1 : Math.max(down, right);
    }
  }
  const edits: Edit[] = [];
  let [i, j] = [0, 0];
  while (i < before.length && j < after.length) {
    if (before[i] === after[j]) {
      edits.push([' ', before[i] ?? '']);
      i++;
      j++;
    } else if ((longest[(i + 1) * width + j] ?? 0) >= (longest[i * width + j + 1] ?? 0)) {
      edits.push(['-', before[i++] ?? '']);
    } else {
      edits.push(['+', after[j++] ?? '']);
    }
  }
  return [...edits, ...removed.slice(i), ...added.slice(j)];
}

/** Stretches `[from, to)` of edits with their context; those that touch are one. */
function hunksOf(edits: readonly Edit[]): readonly (readonly [number, number])[] {
  const hunks: [number, number][] = [];
  edits.forEach(([mark], at) => {
    if (mark === ' ') return;
    const [from, to] = [Math.max(0, at - CONTEXT), Math.min(edits.length, at + CONTEXT + 1)];
    const last = hunks.at(-1);
    if (last !== undefined && from <= last[1]) last[1] = to;
    else hunks.push([from, to]);
  });
  return hunks;
}

function drawn([from, to]: readonly [number, number], edits: readonly Edit[]): readonly string[] {
  const linesIn = (part: readonly Edit[], without: '-' | '+') =>
    part.filter(([mark]) => mark !== without).length;
  const lines = edits.slice(from, to);
  const range = (without: '-' | '+', sign: string) => {
    const count = linesIn(lines, without);
    const first = linesIn(edits.slice(0, from), without) + (count === 0 ? 0 : 1);
    return `${sign}${first}${count === 1 ? '' : `,${count}`}`;
  };
  return [`@@ ${range('+', '-')} ${range('-', '+')} @@`, ...lines.map(([mark, line]) => `${mark}${line}`)];
}
