/** How each language's SDK is built, and how its adapter is started. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readdirSync } from 'node:fs';
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

/** What an event with three members may cost, in µs, at the median. */
export const COST_US: Readonly<Record<Language, number>> = {
  c: 3,
  java: 6,
  typescript: 10,
  python: 20,
  perl: 60,
  r: 600,
};

/** What a program can be run under that sees its faults of memory and threads. */
export const TOOLS = ['tsan', 'asan', 'valgrind'] as const;
export type Tool = (typeof TOOLS)[number];

/** Whether a language's adapter can be run under them. */
export const hasTools = (language: Language): boolean => language === 'c';

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

/** How each tool gets to see a program: options of the compiler, what stands before its command line, its settings. */
const UNDER: Readonly<
  Record<Tool, { flags: readonly string[]; before: readonly string[]; env: Command['env'] }>
> = {
  tsan: { flags: ['-fsanitize=thread'], before: [], env: { TSAN_OPTIONS: 'halt_on_error=1' } },
  asan: {
    flags: ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'],
    before: [],
    env: { ASAN_OPTIONS: 'detect_stack_use_after_return=1', UBSAN_OPTIONS: 'print_stacktrace=1' },
  },
  valgrind: {
    flags: [],
    before: [
      ...['valgrind', '--quiet', '--vgdb=no', '--error-exitcode=9', '--exit-on-first-error=yes'],
      ...['--leak-check=full', '--show-leak-kinds=definite', '--errors-for-leak-kinds=definite'],
    ],
    env: {},
  },
};

async function buildC(folder: string, tool?: Tool): Promise<Command> {
  const { flags, before, env } = tool === undefined ? { flags: ['-O2'], before: [], env: {} } : UNDER[tool];
  const program = join(folder, `adapter-${tool ?? 'plain'}`);
  const options = [
    '-std=c99',
    ...(tool === undefined ? [] : ['-O1', '-g', '-fno-omit-frame-pointer']),
    ...flags,
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
    program,
    join(ADAPTERS, 'adapter.c'),
    '-lm',
  );
  const [first = program, ...rest] = [...before, program];
  return { argv: [first, ...rest], env };
}

async function buildR(folder: string): Promise<Command> {
  const library = join(folder, 'library');
  mkdirSync(library, { recursive: true });
  // R compiles where the sources are, and others may do so at the same time.
  const sources = join(folder, 'monitoring');
  cpSync(join(SDKS, 'r'), sources, { recursive: true });
  await build('R', 'CMD', 'INSTALL', `--library=${library}`, sources);
  return { argv: ['Rscript', join(ADAPTERS, 'adapter.R')], env: { R_LIBS: library, TMPDIR: folder } };
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

const BUILD: Readonly<Record<Language, (folder: string, tool?: Tool) => Promise<Command>>> = {
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

/** Builds what a language's adapter needs, below `folder`, to be run under `tool`, if any; how to start it. */
export function prepare(language: Language, folder: string, tool?: Tool): Promise<Command> {
  if (tool !== undefined && !hasTools(language))
    throw new Error(`${NAMES[language]} cannot run under ${tool}`);
  return BUILD[language](folder, tool);
}
