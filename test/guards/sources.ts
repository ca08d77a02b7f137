import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { ROOT } from '../processes.ts';

/** A source file, its path from the package's folder. */
export interface Source {
  readonly path: string;
  readonly text: string;
}

/** The files below a folder of the package that end so, in order. */
export const sourcesBelow = (folder: string, ending = '.ts'): Source[] =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .sort()
    .map((name) => ({ path: join(folder, name), text: readFileSync(join(ROOT, folder, name), 'utf8') }));

/** An import of one of our files or of a package. */
export interface Import {
  readonly from: string;
  /** The path from the package's folder, or the package's name. */
  readonly to: string;
  /** Only types: nothing of it is left at run time. */
  readonly isType: boolean;
}

const STATEMENT = /^(?:import|export)\s+(type\s)?([^;]*?)\s*from\s+'([^']+)'/gms;
const DYNAMIC = /\bimport\(\s*'([^']+)'/g;

/** What a file imports. */
export function importsOf({ path, text }: Source): Import[] {
  const named = (name: string) => (name.startsWith('.') ? relative('.', join(dirname(path), name)) : name);
  const all = [...text.matchAll(STATEMENT)].map(([, type, names = '', name = '']) => ({
    from: path,
    to: named(name),
    isType: type !== undefined || onlyTypes(names),
  }));
  const dynamic = [...text.matchAll(DYNAMIC)].map(([, name = '']) => ({
    from: path,
    to: named(name),
    isType: false,
  }));
  return [...all, ...dynamic];
}

function onlyTypes(names: string): boolean {
  const listed = /^\{(.*)\}$/s.exec(names.trim())?.[1];
  if (listed === undefined) return false;
  const each = listed.split(',').map((name) => name.trim());
  return each.filter(Boolean).every((name) => name.startsWith('type '));
}

/** `text` without comments and the contents of strings, so that a word in them is not taken for code. */
export const codeOf = (text: string): string =>
  text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/g, (found) =>
    found.startsWith('/') ? found.replace(/[^\n]/g, '') : "''",
  );
