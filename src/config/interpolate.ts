import { reasonOf } from './file.ts';

/** What `${…}` may read. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The text of a file named by `${file:…}`, as written there; throws where it cannot be read. */
  readonly readFile: (path: string) => string;
}

/** A text with its references replaced. */
export interface Interpolated {
  readonly text: string;
  /** The same with `***` for every replaced value: what may be shown. */
  readonly shown: string;
  /** The replaced values; never shown. */
  readonly secrets: readonly string[];
  /** What is wrong with the references; `text` is of no use then. */
  readonly problems: readonly string[];
}

/** What is shown in the place of a secret. */
export const MASK = '***';

const REFERENCE = /\$\$|\$\{([^}]*)(\}?)/g;
const VARIABLE = /^([A-Za-z_][A-Za-z0-9_]*)(:-([\s\S]*))?$/;
const FORMS = `\${NAME}, \${NAME:-default} or \${file:/path}`;

/**
 * Replaces `${NAME}`, `${NAME:-default}` (for a variable that is unset or empty) and `${file:/path}` (the file's
 * text without its last newline); `$$` is a dollar sign. Nothing is replaced within what was put in.
 */
export function interpolate(text: string, surroundings: Surroundings): Interpolated {
  const secrets: string[] = [];
  const problems: string[] = [];
  let shown = '';
  let end = 0;
  const full = text.replace(REFERENCE, (whole, reference: string | undefined, brace, at: number) => {
    const found = reference === undefined ? { text: '$' } : lookUp(reference, brace === '}', surroundings);
    shown += text.slice(end, at);
    end = at + whole.length;
    if ('problem' in found) {
      problems.push(found.problem);
      shown += whole;
      return whole;
    }
    if ('secret' in found) secrets.push(found.text);
    shown += 'secret' in found ? MASK : found.text;
    return found.text;
  });
  return { text: full, shown: shown + text.slice(end), secrets, problems };
}

type Found =
  | { readonly text: string }
  | { readonly text: string; readonly secret: true }
  | { readonly problem: string };

function lookUp(reference: string, closed: boolean, { env, readFile }: Surroundings): Found {
  if (!closed) return { problem: `"\${" without "}"; write ${FORMS}, or $$ for a dollar sign` };
  if (reference.startsWith('file:')) return readSecret(reference.slice(5), readFile);
  const [, name, defaulted, fallback = ''] = VARIABLE.exec(reference) ?? [];
  if (name === undefined || fallback.includes('${')) {
    return { problem: `"\${${reference}}" is no reference; write ${FORMS}, or $$ for a dollar sign` };
  }
  const value = Object.hasOwn(env, name) ? env[name] : undefined;
  if (value !== undefined && (value !== '' || defaulted === undefined)) return { text: value, secret: true };
  if (defaulted !== undefined) return { text: fallback };
  return { problem: `the environment variable ${name} is not set; set it, or write \${${name}:-default}` };
}

function readSecret(path: string, readFile: (path: string) => string): Found {
  try {
    return { text: readFile(path).replace(/\r?\n$/, ''), secret: true };
  } catch (error) {
    return { problem: `cannot read ${path}: ${reasonOf(error)}` };
  }
}
