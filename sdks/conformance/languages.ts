/** How each language's SDK is built, and how its adapter is started. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SDKS = fileURLToPath(new URL('..', import.meta.url));
const ADAPTERS = join(SDKS, 'conformance', 'adapters');

export const LANGUAGES = ['perl', 'python', 'c', 'r', 'java', 'typescript'] as const;
export type Language = (typeof LANGUAGES)[number];

/** The names that people know them by. */
export const NAMES: Readonly<Record<Language, string>> = {
  perl: 'Perl',
  python: 'Python',
  c: 'C',
  r: 'R',
  java: 'Java',
  typescript: 'TypeScript',
};

/** What has to be installed for it. */
export const PROGRAM: Readonly<Record<Language, string>> = {
  perl: 'perl',
  python: 'python3',
  c: 'cc',
  r: 'R',
  java: 'javac',
  typescript: 'node',
};

/** A command line and what its environment needs. */
export interface Command {
  readonly argv: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
}

/** Runs a program to its end; rejects with what it said unless it exits with 0. */
async function build(program: string, ...args: readonly string[]): Promise<void> {
  const child = spawn(program, args);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${program} ${args.join(' ')}: exit code ${code}\n${said}`);
}

async function buildC(folder: string): Promise<Command> {
  const options = [
    '-std=c99',
    '-O2',
    '-D_POSIX_C_SOURCE=200809L',
    '-pthread',
    `-I${join(SDKS, 'c', 'include')}`,
  ];
  await build(
    'cc',
    ...options,
    '-Wall',
    '-Wextra',
    '-Werror',
    '-o',
    join(folder, 'adapter'),
    join(ADAPTERS, 'adapter.c'),
    '-lm',
  );
  return { argv: [join(folder, 'adapter')], env: {} };
}

async function buildR(folder: string): Promise<Command> {
  const library = join(folder, 'library');
  mkdirSync(library, { recursive: true });
  await build('R', 'CMD', 'INSTALL', `--library=${library}`, join(SDKS, 'r'));
  return { argv: ['Rscript', join(ADAPTERS, 'adapter.R')], env: { R_LIBS: library } };
}

async function buildJava(folder: string): Promise<Command> {
  const sources = join(SDKS, 'java', 'core', 'src', 'main', 'java', 'monitoring');
  const files = readdirSync(sources).map((name) => join(sources, name));
  const classes = join(folder, 'classes');
  await build('javac', '--release', '11', '-d', classes, ...files, join(ADAPTERS, 'Adapter.java'));
  // A heap of one size, all of it touched: what its memory grows by is then not the collector's mood.
  const heap = ['-Xms64m', '-Xmx64m', '-XX:+AlwaysPreTouch', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];
  return { argv: ['java', ...heap, '-Xshare:auto', '-cp', classes, 'Adapter'], env: {} };
}

async function buildTypescript(): Promise<Command> {
  await build(process.execPath, join(SDKS, 'typescript', 'build.js'));
  // What its memory grows by is then not the collector's mood.
  return {
    argv: [
      process.execPath,
      '--max-semi-space-size=1',
      '--max-old-space-size=24',
      join(ADAPTERS, 'adapter.mjs'),
    ],
    env: { NODE_OPTIONS: '' },
  };
}

const BUILD: Readonly<Record<Language, (folder: string) => Promise<Command>>> = {
  perl: async () => ({
    argv: ['perl', join(ADAPTERS, 'adapter.pl')],
    env: { PERL5LIB: join(SDKS, 'perl', 'lib') },
  }),
  python: async () => ({
    argv: ['python3', join(ADAPTERS, 'adapter.py')],
    env: { PYTHONPATH: join(SDKS, 'python', 'src'), PYTHONDONTWRITEBYTECODE: '1' },
  }),
  c: buildC,
  r: buildR,
  java: buildJava,
  typescript: buildTypescript,
};

/** Builds what a language's adapter needs, below `folder`; how to start it. */
export const prepare = (language: Language, folder: string): Promise<Command> => BUILD[language](folder);
