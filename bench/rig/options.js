import { parseArgs } from 'node:util';

/**
 * Reads a script's options; prints the help and exits at `--help`, exits 2 with a reason at anything unknown.
 * `defaults` holds numbers, strings, booleans or lists of strings; an option's kind is its default's. A list is given
 * as `--name a,b` or by several such options. `lines` explains each option, `choices` names all that a list may hold,
 * `refusal` says why options do not go together, if so. `usage` is the script below `folder`.
 * @template {Record<string, number | string | boolean | readonly string[]>} T
 * @param {{
 *   usage: string,
 *   folder?: string,
 *   about: string,
 *   defaults: T,
 *   lines: Record<keyof T, string>,
 *   choices?: { readonly [K in keyof T]?: readonly string[] },
 *   refusal?: (options: T) => string | undefined,
 * }} spec
 * @param {string[]} [argv]
 * @returns {T}
 */
export function readOptions(spec, argv = process.argv.slice(2)) {
  const { defaults, choices = {} } = spec;
  const options = Object.fromEntries(
    Object.entries(defaults).map(([name, value]) => [
      toFlag(name),
      {
        type: /** @type {'boolean' | 'string'} */ (typeof value === 'boolean' ? 'boolean' : 'string'),
        multiple: Array.isArray(value),
      },
    ]),
  );
  try {
    const parsed = parseArgs({ args: argv, options: { ...options, help: { type: 'boolean' } } });
    const values = /** @type {Record<string, string | boolean | string[] | undefined>} */ (parsed.values);
    if (values.help) leave(0, helpText(spec));
    const readOne = ([name, value]) => [
      name,
      readValue(toFlag(name), values[toFlag(name)], value, choices[name]),
    ];
    const read = /** @type {T} */ (Object.fromEntries(Object.entries(defaults).map(readOne)));
    const reason = spec.refusal?.(read);
    if (reason !== undefined) throw new Error(reason);
    return read;
  } catch (error) {
    return leave(2, `${/** @type {Error} */ (error).message} (see --help)`);
  }
}

const toFlag = (name) => name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

function readValue(flag, given, fallback, choices) {
  if (given === undefined) return fallback;
  if (Array.isArray(fallback)) {
    const items = given.flatMap((text) => text.split(','));
    const unknown = choices === undefined ? undefined : items.find((item) => !choices.includes(item));
    if (unknown === undefined) return [...new Set(items)];
    throw new Error(`--${flag} takes some of ${choices.join(', ')}, not "${unknown}"`);
  }
  if (typeof fallback !== 'number') return given;
  const value = Number(given);
  if (given === '' || !(value >= 0)) throw new Error(`--${flag} takes a number from 0, not "${given}"`);
  return value;
}

function helpText({ usage, folder = 'bench', about, defaults, lines }) {
  const rows = Object.entries(defaults).map(([name, value]) => {
    const shown = value === '' || value === false || Array.isArray(value) ? '' : ` (${value})`;
    return `  --${toFlag(name).padEnd(18)} ${lines[name]}${shown}`;
  });
  return [`usage: node ${folder}/${usage} [options]`, '', about, '', ...rows].join('\n');
}

/** @returns {never} */
function leave(code, text) {
  (code === 0 ? console.log : console.error)(text);
  process.exit(code);
}
