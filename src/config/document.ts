import { Composer, type Document, Lexer, LineCounter, type Node, type ParsedNode, Parser } from 'yaml';
import type { Finding } from './issue.ts';

/** A file's YAML, or what is wrong with it. */
export interface Source {
  readonly root: Node | null;
  readonly findings: readonly Finding[];
  /** Line and column, from 1, of an offset in the text. */
  readonly placeOf: (offset: number) => { readonly line: number; readonly column: number };
}

/** The longest file that is read, in bytes. */
export const MAX_FILE_BYTES = 2 ** 20;
/** How deep values may be nested; what reads them recurses. */
export const MAX_DEPTH = 64;
const MAX_TOKENS = 200_000;
// Everything but tab, line feed and carriage return: no editor writes it, and a terminal must not be sent it.
const CONTROL = /(?![\t\n\r])[\p{Cc}\ufffd]/u;

/**
 * Parses one YAML document. Never throws, and takes bounded time and memory on any text: nesting and size are
 * checked while the text is cut into tokens, for the parser behind it recurses and would run out of stack.
 */
export function parseSource(text: string): Source {
  const lines = new LineCounter();
  const placeOf = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const refused = (offset: number, message: string): Source => ({
    root: null,
    findings: [{ path: [], message, offset }],
    placeOf,
  });
  if (Buffer.byteLength(text) > MAX_FILE_BYTES) return refused(0, 'the file is larger than 1 MiB');
  const control = text.search(CONTROL);
  if (control >= 0) {
    countLines(text.slice(0, control), lines);
    return refused(control, 'this is not a text file: it holds control characters or is not UTF-8');
  }
  const tokens = tokensOf(text, lines);
  if ('problem' in tokens) return refused(tokens.offset, tokens.problem);
  const [document, second] = firstTwo(tokens.tokens, lines, text.length);
  if (second !== undefined)
    return refused(second.range[0], 'more than one YAML document ("---"); one is expected');
  return { root: document?.contents ?? null, findings: findingsOf(document, text), placeOf };
}

type Tokens =
  | { readonly tokens: ReturnType<Parser['next']> extends Generator<infer T> ? T[] : never }
  | { readonly problem: string; readonly offset: number };

function tokensOf(text: string, lines: LineCounter): Tokens {
  const parser = new Parser(lines.addNewLine);
  lines.addNewLine(0);
  const tokens = [];
  let count = 0;
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) tokens.push(token);
    if (parser.stack.length > MAX_DEPTH) {
      return { problem: `nested deeper than ${MAX_DEPTH} levels`, offset: parser.offset };
    }
    if (++count > MAX_TOKENS)
      return { problem: 'too many values for a configuration', offset: parser.offset };
  }
  for (const token of parser.end()) tokens.push(token);
  return { tokens };
}

type Parsed = Document.Parsed<ParsedNode, true>;

function firstTwo(tokens: Parameters<Composer['compose']>[0], lines: LineCounter, length: number): Parsed[] {
  // Repeated keys are found by `plainTree`: the parser's own check is quadratic.
  const composer = new Composer({ lineCounter: lines, prettyErrors: false, uniqueKeys: false });
  const documents: Parsed[] = [];
  for (const document of composer.compose(tokens, true, length)) {
    documents.push(document as Parsed);
    if (documents.length === 2) break;
  }
  return documents;
}

/** The first fault only: the parser takes what follows it for faults as well. */
function findingsOf(document: Parsed | undefined, text: string): Finding[] {
  // A warning is of an unknown tag or the like: nothing that a configuration needs.
  const [first] = [...(document?.errors ?? []), ...(document?.warnings ?? [])];
  if (first === undefined) return [];
  const [offset] = first.pos;
  const bare = text.slice(offset - 1, offset + 1) === '${';
  const hint = bare ? `; inside { } and [ ] a "\${…}" needs quotes` : '';
  return [{ path: [], message: `not YAML: ${first.message}${hint}`, offset }];
}

function countLines(text: string, lines: LineCounter): void {
  lines.addNewLine(0);
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines.addNewLine(at + 1);
}
