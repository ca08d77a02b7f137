import { expect, test } from '@jest/globals';
import { type Import, importsOf, sourcesBelow } from './sources.ts';

const sources = sourcesBelow('src');
const imports = sources.flatMap(importsOf);
const ours = imports.filter(({ to }) => to.startsWith('src/'));

const STAGES = ['ingest', 'correlate', 'route', 'deliver'];
/** What stages may share of each other: contracts. */
const CONTRACTS = ['src/deliver/sink.ts', 'src/deliver/outcome.ts', 'src/route/operator.ts'];
const CORE = [
  'src/arena.ts',
  'src/kept.ts',
  'src/severity.ts',
  'src/unboxed.ts',
  'src/message.ts',
  'src/message-text.ts',
  'src/resources.ts',
  'src/restored.ts',
  'src/scanned.ts',
  'src/batch.ts',
  'src/context.ts',
  'src/folders.ts',
  'src/members.ts',
  'src/system-text.ts',
  'src/hosts.ts',
  'src/token-text.ts',
  'src/visible.ts',
];

const stageOf = (path: string) => STAGES.find((stage) => path.startsWith(`src/${stage}/`));
const shown = ({ from, to }: Import) => `${from} → ${to}`;
const below = (path: string, ...folders: string[]) =>
  folders.some((folder) => path.startsWith(`src/${folder}/`));
const isSchemaType = ({ to, isType }: Import) => to === 'src/config/schema.ts' && isType;

/** Fails with the imports that `isWrong`. */
const forbid = (isWrong: (one: Import) => boolean) => expect(ours.filter(isWrong).map(shown)).toEqual([]);

test('the guard sees the imports', () => {
  expect(sources.length).toBeGreaterThan(100);
  expect(ours.length).toBeGreaterThan(200);
  expect(imports.some(({ to }) => to === 'rxjs')).toBe(true);
});

test('stages do not import each other, but for their contracts', () => {
  forbid(({ from, to }) => {
    const [a, b] = [stageOf(from), stageOf(to)];
    return a !== undefined && b !== undefined && a !== b && !CONTRACTS.includes(to);
  });
});

test('stages import the core, flow, the configuration’s types, and nothing above them', () => {
  forbid((one) => {
    const { from, to } = one;
    if (stageOf(from) === undefined || stageOf(to) !== undefined) return false;
    const isRegistry = from === 'src/deliver/registry.ts';
    // The loader gives operators the package that they import.
    if (from === 'src/route/import-typescript.ts' && to === 'src/index.ts') return false;
    if (to === 'src/config/suggest.ts') return false;
    return !(
      CORE.includes(to) ||
      below(to, 'flow') ||
      isSchemaType(one) ||
      (isRegistry && below(to, 'sinks'))
    );
  });
});

test('sinks import their contract, the core, units, and what lies below sinks', () => {
  const allowed = [
    ...CORE,
    'src/deliver/sink.ts',
    'src/config/units.ts',
    'src/config/suggest.ts',
    'src/flow/keep-defined.ts',
  ];
  forbid(({ from, to }) => below(from, 'sinks') && !below(to, 'sinks') && !allowed.includes(to));
  const files = sourcesBelow('src/sinks').map(({ path }) => path);
  const components = files.filter((path) => path.split('/').length === 3);
  forbid(({ from, to }) => below(from, 'sinks') && components.includes(to));
});

test('client libraries are loaded by the first send that needs them', () => {
  const isClient = (name: string) => /^(@aws-sdk\/|@smithy\/|pg-promise$|pg$)/.test(name);
  const early = sources.flatMap(({ path, text }) =>
    // What is imported by a call is loaded by it.
    importsOf({ path, text: text.replace(/\bimport\(/g, 'load(') }),
  );
  expect(imports.filter(({ to }) => isClient(to)).length).toBeGreaterThan(
    early.filter(({ to }) => isClient(to)).length,
  );
  expect(early.filter(({ to, isType }) => isClient(to) && !isType).map(shown)).toEqual([]);
});

test('the page and the sidecar import nothing of each other', () => {
  const page = sourcesBelow('src/ui', '.tsx').flatMap(importsOf);
  expect(page.length).toBeGreaterThan(20);
  const all = [...ours, ...page.filter(({ to }) => to.startsWith('src/'))];
  expect(all.filter(({ from, to }) => below(from, 'ui') !== below(to, 'ui')).map(shown)).toEqual([]);
});

test('flow imports rxjs and flow', () => {
  const wrong = imports.filter(({ from, to }) => below(from, 'flow') && !below(to, 'flow') && to !== 'rxjs');
  expect(wrong.map(shown)).toEqual([]);
});

test('config knows no stages', () => {
  forbid(({ from, to }) => below(from, 'config') && !below(to, 'config', 'flow') && !CORE.includes(to));
});

test('http imports only types of the stages', () => {
  // the fixed set of a job's states is data of a type
  const allowed = ['src/correlate/view.ts'];
  forbid(
    ({ from, to, isType }) =>
      below(from, 'http') && stageOf(to) !== undefined && !isType && !allowed.includes(to),
  );
  forbid(({ from, to }) => below(from, 'http') && below(to, 'sidecar', 'commands', 'sinks'));
});

test('the core imports the core and flow', () => {
  forbid(({ from, to }) => CORE.includes(from) && !CORE.includes(to) && !below(to, 'flow'));
});

test('nothing but main imports commands, nothing imports main, and only commands and testing start a sidecar', () => {
  forbid(({ from, to }) => below(to, 'commands') && !below(from, 'commands') && from !== 'src/main.ts');
  forbid(({ to }) => to === 'src/main.ts');
  forbid(({ from, to }) => below(to, 'sidecar') && !below(from, 'sidecar', 'commands', 'testing'));
});

test('there is no cycle, types included in what may not turn round', () => {
  const next = new Map<string, string[]>();
  for (const { from, to, isType } of ours) if (!isType) next.set(from, [...(next.get(from) ?? []), to]);
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(' → '));
    if (done.has(path) || trail.includes(path)) return;
    for (const to of next.get(path) ?? []) visit(to, [...trail, path]);
    done.add(path);
  };
  for (const { path } of sources) visit(path, []);
  expect(cycles).toEqual([]);
});
