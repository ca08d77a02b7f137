import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { didYouMean } from '../config/suggest.ts';
import { createImporter, digest, type Imported, type Importer } from './import-typescript.ts';
import type { Operator } from './operator.ts';
import { kindOf, textOf } from './operator-run.ts';

/** An operator's file, loaded. */
export interface LoadedOperator {
  readonly name: string;
  /** Its absolute path. */
  readonly file: string;
  /** Of its text and of the user's files that it imports, however deep; the same on every machine. */
  readonly hash: string;
  readonly operator: Operator;
}

interface Loaded {
  readonly loaded: LoadedOperator;
  readonly sources: Imported['sources'];
}

const NAME = /^[a-z0-9_-]+$/;
const EXTENSION = '.ts';

/** By file; what is unchanged on disk stays the identical function, so that a reload can tell. */
const known = new Map<string, Loaded>();
let importer: Promise<Importer> | undefined;

/**
 * Loads `<name>.ts` of `dir`, else of `fallbackDir`: for each name the operator, or an `Error` that says which
 * file is wrong, where, and what to do.
 */
export async function loadOperators(
  dir: string,
  names: Iterable<string>,
  { fallbackDir }: { readonly fallbackDir?: string } = {},
): Promise<ReadonlyMap<string, LoadedOperator | Error>> {
  const dirs = [dir, ...(fallbackDir === undefined ? [] : [fallbackDir])].map((each) => resolve(each));
  const results = new Map<string, LoadedOperator | Error>();
  for (const name of new Set(names)) {
    try {
      const file = find(name, dirs);
      importer ??= createImporter();
      results.set(name, unchanged(file) ?? load(name, file, await importer));
    } catch (error) {
      results.set(name, error instanceof Error ? error : new Error(textOf(error)));
    }
  }
  return results;
}

function find(name: string, dirs: readonly string[]): string {
  if (!NAME.test(name)) {
    throw new Error(
      `operator ${JSON.stringify(name)}: a name has only a–z, 0–9, _ and -; no path, no ending`,
    );
  }
  const files = dirs.map((dir) => join(dir, `${name}${EXTENSION}`));
  const file = files.find((each) => isFile(each));
  if (file !== undefined) return file;
  const names = [...new Set(dirs.flatMap(namesIn))].sort();
  const hint = didYouMean(name, names) || `; there are ${names.join(', ') || 'none'}`;
  throw new Error(`operator "${name}": there is no ${files.join(' nor ')}${hint}`);
}

/** An operator, as far as the text tells; what else lies there is a file that operators import. */
const isOperator = (path: string) => isFile(path) && /\bdefault\b/.test(readFileSync(path, 'utf8'));

const isFile = (path: string) => statSync(path, { throwIfNoEntry: false })?.isFile() === true;

function namesIn(dir: string): string[] {
  try {
    const names = readdirSync(dir).filter((file) => file.endsWith(EXTENSION) && isOperator(join(dir, file)));
    return names.map((file) => basename(file, EXTENSION)).filter((name) => NAME.test(name));
  } catch {
    return [];
  }
}

function unchanged(file: string): LoadedOperator | undefined {
  const found = known.get(file);
  return found?.sources.has(realpathSync(file)) &&
    [...found.sources].every(([path, hash]) => hash === hashOf(path))
    ? found.loaded
    : undefined;
}

function hashOf(path: string): string | undefined {
  try {
    return digest(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

function load(name: string, file: string, importFile: Importer): LoadedOperator {
  const { exports, home, sources } = importFile(file);
  const operator = operatorOf(exports, file);
  const parts = [...sources].map(([path, hash]) => `${relative(home, path)} ${hash}`);
  const loaded = { name, file, hash: digest(parts.sort().join('\n')), operator };
  known.set(file, { loaded, sources });
  return loaded;
}

function operatorOf(exports: object, file: string): Operator {
  const owed = 'an operator: export default (options, context) => (message$) => message$.pipe(…)';
  if (!('default' in exports)) throw new Error(`${file}: has no default export; it owes ${owed}`);
  const operator = exports.default;
  if (typeof operator !== 'function') {
    throw new Error(`${file}: its default export is ${kindOf(operator)}; it owes ${owed}`);
  }
  const { options } = operator as Partial<Operator>;
  if (options !== undefined && typeof options?.safeParse !== 'function') {
    throw new Error(`${file}: its "options" is ${kindOf(options)}; it owes a zod schema, or none`);
  }
  return operator as Operator;
}
