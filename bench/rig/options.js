import { parseArgs } from 'node:util';

/**
 * Reads a script's options; prints the help and exits at `--help`, exits 2 with a reason at anything unknown.
 * `defaults` holds numbers, strings or booleans; an option's kind is its default's. `lines` explains each option.
 * @template {Record<string, number | string | boolean>} T
 * @param {{ usage: string, about: string, defaults: T, lines: Record<keyof T, string> }} spec
 * @param {string[]} [argv]
 * @returns {T}
 */
export function readOptions({ usage, about, defaults, lines }, argv = process.argv.slice(2)) {
  const options = Object.fromEntries(
    Object.entries(defaults).map(([name, value]) => [
      toFlag(name),
      { type: /** @type {'boolean' | 'string'} */ (typeof value === 'boolean' ? 'boolean' : 'string') },
    ]),
  );
  try {
    const parsed = parseArgs({ args: argv, options: { ...options, help: { type: 'boolean' } } });
    const values = /** @type {Record<string, string | boolean | undefined>} */ (parsed.values);
    if (values.help) leave(0, helpText(usage, about, defaults, lines));
    const read = ([name, value]) => [name, readValue(toFlag(name), values[toFlag(name)], value)];
    return /** @type {T} */ (Object.fromEntries(Object.entries(defaults).map(read)));
  } catch (error) {
    return leave(2, `${/** @type {Error} */ (error).message}\nTry --help.`);
  }
}

const toFlag = (name) => name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

function readValue(flag, given, fallback) {
  if (given === undefined) return fallback;
  if (typeof fallback !== 'number') return given;
  const value = Number(given);
  if (given === '' || !(value >= 0)) throw new Error(`--${flag} takes a number from 0, not "${given}"`);
  return value;
}

function helpText(usage, about, defaults, lines) {
  const rows = Object.entries(defaults).map(([name, value]) => {
    const shown = value === '' || value === false ? '' : ` (${value})`;
    return `  --${toFlag(name).padEnd(18)} ${lines[name]}${shown}`;
  });
  return [`usage: node bench/${usage} [options]`, '', about, '', ...rows].join('\n');
}

/** @returns {never} */
function leave(code, text) {
  (code === 0 ? console.log : console.error)(text);
  process.exit(code);
}
