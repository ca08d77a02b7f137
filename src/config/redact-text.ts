import { parseSource } from './document.ts';
import { MASK } from './interpolate.ts';
import { hide, isSecretKey, literalSecrets, maskText } from './redact.ts';
import { plainTree } from './tree.ts';

/** `key:` at the start of a line or in a flow map, and its value. */
const PAIR =
  /(^\s*(?:-\s+)*|[{,]\s*)(["']?)([\w.-]+)\2(\s*:)(\s+(?:&\S+\s+|!\S+\s+)*)("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s#].*)?/g;
/** In a flow map a plain value ends before these. */
const FLOW_END = /[,}].*$/;
/** A value that is taken from elsewhere is no secret itself. */
const REFERENCE = /^["']?\$\{[^}]*\}["']?$/;
const PEM = /-----BEGIN [^-]*-----[\s\S]*?(?:-----END [^-]*-----|$)/g;

/**
 * The text of a configuration, right or wrong, with what looks like a secret as `***`: values of keys such as
 * `password`, passwords in URLs, PEM blocks; line by line, so that lines stay lines.
 */
export function redactText(text: string): string {
  const pemless = text.replace(PEM, (block) => block.replace(/[^\s].*/g, MASK));
  return maskValues(hide(pemless, secretsIn(text)));
}

/** What is a secret by its key, wherever else it stands. */
function secretsIn(text: string): readonly string[] {
  const nothing = { env: {}, readFile: () => '' };
  const secrets = literalSecrets(plainTree(parseSource(text).root, nothing).value);
  return secrets
    .filter((secret) => !REFERENCE.test(secret))
    .flatMap((secret) => [secret, ...secret.split('\n').map((line) => line.trim())]);
}

function maskValues(text: string): string {
  /** The indentation of a secret key whose value goes on below; −1: none. */
  let hiddenBelow = -1;
  const lines = text.split('\n').map((line) => {
    const indentation = line.search(/\S/);
    if (hiddenBelow >= 0 && (indentation < 0 || indentation > hiddenBelow)) {
      return indentation < 0 ? line : `${line.slice(0, indentation)}${MASK}`;
    }
    hiddenBelow = -1;
    const masked = `${line} `.replace(PAIR, (all, before, quote, key, colon, space, value = '') => {
      if (!isSecretKey(key)) return all;
      if (/^([|>].*)?\s*$/.test(value)) hiddenBelow = Math.max(0, indentation);
      if (/^\s*$/.test(value) || /^[|>]/.test(value)) return all;
      const isFlow = /[{,]/.test(before);
      const isQuoted = /^["']/.test(value);
      const rest = isFlow && !isQuoted ? (FLOW_END.exec(value)?.[0] ?? '') : '';
      const plain = value.slice(0, value.length - rest.length).trim();
      return REFERENCE.test(plain) ? all : `${before}${quote}${key}${quote}${colon}${space}${MASK}${rest}`;
    });
    return maskText(masked.trimEnd(), []);
  });
  return lines.join('\n');
}
