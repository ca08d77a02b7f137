import { createHash } from 'node:crypto';
import { readFileSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, relative } from 'node:path';
import { compileFunction } from 'node:vm';
import type { TransformOptions } from 'jiti';
import * as rxjs from 'rxjs';
import * as rxjsOperators from 'rxjs/operators';
import * as zod from 'zod';
import * as sidecar from '../index.ts';
import { placeOf, textOf } from './operator-run.ts';

/** A TypeScript file that was run, and the user's own files it was made of. */
export interface Imported {
  readonly exports: object;
  /** The folder that it really is in. */
  readonly home: string;
  /** Path, without symbolic links, → `digest` of its text, for the file and what it imports; packages are left out. */
  readonly sources: ReadonlyMap<string, string>;
}

/** Runs a TypeScript file, absolute path, from scratch. Throws `Error` that says where and what to do. */
export type Importer = (file: string) => Imported;

/** What an operator may import without having it installed: the sidecar's own copies. */
const PROVIDED = { rxjs, 'rxjs/operators': rxjsOperators, zod, 'monitoring-sidecar': sidecar };

/** An error whose message is ready for the user. */
class ImportError extends Error {
  override readonly name = 'ImportError';
}

/** SHA-256 of a text, in hex. */
export const digest = (text: string) => createHash('sha256').update(text).digest('hex');

/** What jiti hands to a module. */
const PARAMETERS = [
  'exports',
  'require',
  'module',
  '__filename',
  '__dirname',
  'jitiImport',
  'jitiESMResolve',
];
/** The name under which compiled files find `RunCompiled`. */
const RUN_COMPILED = 'monitoring-sidecar:run';
type RunCompiled = (path: string, given: readonly unknown[]) => void;

/** Loads the compiler, which nobody without operators pays for. */
export async function createImporter(): Promise<Importer> {
  const { createJiti } = await import('jiti');
  // A cache on disk, shared by all users in the temporary folder, would be code that others can write.
  const settings = { fsCache: false, moduleCache: false };
  const compiler = createJiti(import.meta.url, settings);
  const texts = new Map<string, string>();
  const functions = new Map<string, Callable>();

  const transform = (options: TransformOptions) => {
    const { filename = '', source } = options;
    texts.set(filename, source);
    const code = checked(compiler.transform(options));
    functions.set(filename, compileFunction(code, PARAMETERS, { filename }) as Callable);
    // V8 keeps every script that jiti runs, for ever; this one is the same for all versions of a file.
    return { code: `require("${RUN_COMPILED}")(${JSON.stringify(filename)}, [${PARAMETERS.join()}])` };
  };
  const runCompiled: RunCompiled = (path, given) => functions.get(path)?.(...given);
  const virtualModules = { ...PROVIDED, [RUN_COMPILED]: runCompiled };
  const run = createJiti(import.meta.url, { ...settings, virtualModules, transform });

  return (file) => {
    const native = watchNativeModules();
    try {
      const real = realpathSync(file);
      const home = dirname(real);
      // Synchronously: what jiti hands to `import()` would stay in memory and never be read again.
      const exports: object = run(file);
      // What the file imports is named by its real path already.
      const read = [...texts, ...native.texts()].map(
        ([path, text]) => [path === file ? real : path, text] as const,
      );
      const own = read.filter(([path]) => isOwn(home, path));
      return { exports, home, sources: new Map(own.map(([path, text]) => [path, digest(text)])) };
    } catch (error) {
      throw explain(file, error, [...texts.keys()]);
    } finally {
      native.forget();
      texts.clear();
      functions.clear();
    }
  };
}

type Callable = (...given: readonly unknown[]) => void;

/** Not of a package. The operator's folder may itself lie in one: ours does. */
const isOwn = (home: string, path: string) => !/(^|[\\/])node_modules[\\/]/.test(relative(home, path));

/** What Node loads itself (JSON, CommonJS) it keeps; an edit would not be seen. */
function watchNativeModules() {
  const { cache } = createRequire(import.meta.url);
  const before = new Set(Object.keys(cache));
  const added = () =>
    Object.keys(cache).filter((path) => !before.has(path) && !/[\\/]node_modules[\\/]/.test(path));
  return {
    texts: () => added().map((path) => [path, readFileSync(path, 'utf8')] as const),
    forget() {
      for (const path of added()) delete cache[path];
    },
  };
}

/** jiti reports a syntax error as code that throws it. */
function checked(code: string): string {
  const [, fault] = /^exports\.__JITI_ERROR__ = (\{.*\})/.exec(code) ?? [];
  if (fault === undefined) return code;
  const { filename, line, column, message } = JSON.parse(fault);
  throw new ImportError(`${filename}:${line}:${column + 1}: ${String(message).trim()}`);
}

function explain(file: string, error: unknown, paths: readonly string[]): Error {
  if (error instanceof ImportError) return error;
  const text = textOf(error);
  const [, missing] = /^Cannot find (?:module|package) '([^']+)'/.exec(text) ?? [];
  if (missing !== undefined) return new ImportError(explainMissing(file, missing, text), { cause: error });
  const place = placeOf(error, paths) ?? file;
  const hint = text.startsWith('await is only valid')
    ? ' (an operator file cannot await at its top level)'
    : '';
  return new ImportError(`${place}: failed while loading: ${text}${hint}`, { cause: error });
}

function explainMissing(file: string, missing: string, text: string): string {
  const [, importer = file] = /Require stack:\n- (.+)/.exec(text) ?? [];
  if (/^[./]/.test(missing)) return `${importer}: imports "${missing}", which does not exist`;
  const provided = Object.keys(PROVIDED).join(', ');
  return `${importer}: imports "${missing}", which is not installed; run npm install ${missing} in ${dirname(file)} (${provided} come with the sidecar)`;
}
