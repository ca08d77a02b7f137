/** Clauses, and the run of one for one language: what it starts is ended, what it throws is why it failed. */
import { setTimeout as pause } from 'node:timers/promises';
import { type Adapter, startAdapter } from './adapter.ts';
import { type Fake, type FakeOptions, startFake } from './fake-sidecar.ts';
import type { Command, Language, Tool } from './languages.ts';
import type { Value } from './values.ts';

/** What is judged: a language's SDK, and the tool that its adapter runs under, if any. */
export interface Subject {
  readonly language: Language;
  readonly tool?: Tool | undefined;
  /** How its adapter is started. */
  readonly command: Command;
}

/** What a clause works with. */
export interface World extends Subject {
  /** Whether it runs at full length, and holds times to the contract's figures. */
  readonly isFull: boolean;
  /** A running adapter whose SDK has not been told to start; `env` goes to its environment. */
  start(env?: Readonly<Record<string, string>>): Adapter;
  /** A fake sidecar. */
  fake(options?: FakeOptions): Promise<Fake>;
  /** An adapter with its client started, and connected to the fake where it listens. */
  client(
    fake: { readonly port: number },
    options?: Readonly<Record<string, Value>>,
    env?: Readonly<Record<string, string>>,
  ): Promise<Adapter>;
  /** The most that a time, or memory, may be: the contract's figure at full length, else another; under a tool, any. */
  most(contract: number, inShort: number): number;
  /** Ends something when the clause is over. */
  later(end: () => unknown): void;
}

export interface Clause {
  /** `C1` … `C41`. */
  readonly id: string;
  /** What it demands, in a few words. */
  readonly title: string;
  /** Why it does not concern a language, if so; the reason is the contract's. */
  readonly exempt?: Partial<Record<Language, string>>;
  /** Throws where the SDK breaks the clause; gives figures to report, if any. */
  // biome-ignore lint/suspicious/noConfusingVoidType: most clauses report nothing, and return nothing
  run(world: World): Promise<string | void>;
}

export type Verdict =
  | { readonly outcome: 'pass'; readonly note: string }
  | { readonly outcome: 'fail'; readonly note: string }
  | { readonly outcome: 'exempt'; readonly note: string };

/** Runs one clause for one language. */
export async function judge(clause: Clause, subject: Subject, isFull: boolean): Promise<Verdict> {
  const { language, tool, command } = subject;
  const reason = clause.exempt?.[language];
  if (reason !== undefined) return { outcome: 'exempt', note: reason };
  const endings: (() => unknown)[] = [];
  const later = (end: () => unknown) => void endings.push(end);
  const faults: string[] = [];
  const start: World['start'] = (env) => {
    const adapter = startAdapter(command, env);
    later(async () => {
      // What a tool looks for it tells at once, but for leaks: those when the program ends.
      if (tool !== undefined) await Promise.race([adapter.end(), pause(LEAVE_MS, undefined, { ref: false })]);
      adapter.kill();
      await adapter.exited;
      if (tool !== undefined && FAULT.test(adapter.stderr())) faults.push(adapter.stderr().slice(-3000));
    });
    return adapter;
  };
  let isLenient = false;
  const world: World = {
    ...subject,
    isFull,
    start,
    later,
    most(contract, inShort) {
      isLenient ||= tool !== undefined;
      return tool === undefined ? (isFull ? contract : inShort) : Number.POSITIVE_INFINITY;
    },
    async fake(options) {
      const fake = await startFake(options);
      later(() => fake.close());
      return fake;
    },
    async client({ port }, options = {}, env = {}) {
      const adapter = start(env);
      await adapter.call('init', { source: 'conformance', host: '127.0.0.1', port, ...options });
      if (language === 'typescript') await adapter.call('ready');
      return adapter;
    },
  };
  let verdict: Verdict;
  try {
    verdict = { outcome: 'pass', note: (await clause.run(world)) ?? '' };
    if (isLenient) verdict = { outcome: 'pass', note: `its times and memory not judged; ${verdict.note}` };
  } catch (error) {
    verdict = { outcome: 'fail', note: error instanceof Error ? error.message : String(error) };
  }
  for (const end of endings.reverse()) await end();
  return faults.length === 0 ? verdict : { outcome: 'fail', note: `${tool}: ${faults.join('\n')}` };
}

/** What the tools call a fault. */
const FAULT = /^==\d+==|WARNING: ThreadSanitizer|ERROR: (Address|Leak)Sanitizer|runtime error:/m;
/** How long a program under a tool may take to end. */
const LEAVE_MS = 15_000;

/** Throws `what` unless it holds. */
export function demand(holds: unknown, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

/** Throws unless both are the same JSON. */
export function equal(found: unknown, wanted: unknown, what: string): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)];
  demand(a === b, `${what}: ${cut(a)} instead of ${cut(b)}`);
}

const cut = (text = 'undefined') => (text.length > 300 ? `${text.slice(0, 300)}…` : text);

const PATIENCE_MS = 20_000;

/** Resolves once `holds`; throws `what` after 20 s. */
export async function until(
  holds: () => boolean,
  what: string | (() => string),
  withinMs = PATIENCE_MS,
): Promise<void> {
  const endMs = Date.now() + withinMs;
  while (!holds()) {
    if (Date.now() > endMs) throw new Error(typeof what === 'string' ? what : what());
    await pause(10);
  }
}

/** What an SDK says of its records, as numbers; throws unless they add up. */
export async function statsOf(adapter: Adapter): Promise<Readonly<Record<string, number>>> {
  const answer = await adapter.call('stats');
  const stats = Object.fromEntries(Object.entries(answer).map(([name, text]) => [name, Number(text)]));
  const { accepted = 0, sent = 0, queued = 0 } = stats;
  const dropped = REASONS.reduce((sum, reason) => sum + (stats[reason] ?? 0), 0);
  demand(accepted === sent + queued + dropped, `stats do not add up: ${JSON.stringify(stats)}`);
  return stats;
}

const REASONS = ['full', 'encode', 'oversize', 'refused', 'closed', 'forked'];

/** How many calls a clause makes: R is a hundred times slower than the others. */
export function sizeOf(
  { language, isFull }: World,
  { fast, r, full, fullR }: { fast: number; r: number; full: number; fullR: number },
): number {
  if (language === 'r') return isFull ? fullR : r;
  return isFull ? full : fast;
}
