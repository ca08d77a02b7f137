import { z } from 'zod';
import { duration } from '../config/units.ts';
import { isLoadedConfig, type LoadedConfig } from './load-config.ts';
import { LETTER } from './marbles.ts';

const letter = z.string().regex(LETTER, { error: 'one character, none of - ( ) | # ^ ! ? * and space' });
const backend = z.string().min(1);

/** Names of messages: `ab`, `[a, b]`, `m*100`. */
const names = z.union([z.string(), z.array(z.string())]);

const diagram = <T extends z.ZodType>(value: T) =>
  z.union([z.string(), z.tuple([z.string(), z.record(letter, value).optional()])]);

const batch = z.union([names, z.strictObject({ messages: names, target: z.string().optional() })]);
const outcome = z.union([names, z.strictObject({ messages: names, reason: z.string().optional() })]);

const answers = z.union([z.string(), z.array(z.string()).min(1)]);
const span = z.strictObject({
  from: duration({ min: '0ms' }),
  to: duration({ min: '0ms' }).optional(),
  answer: z.string().default('#'),
});
const behaviour = z.strictObject({
  answers: answers.default('|'),
  down: z.union([span, z.array(span)]).default([]),
  refuses: names.default([]),
  throttle: duration().prefault('1s'),
});

const result = z.union([
  z.enum(['applied', 'unchanged', 'rejected']),
  z.strictObject({ rejected: z.string().min(1) }),
]);

const outcomes = z.record(backend, diagram(outcome)).default({});

const loaded = (error: string) => z.custom<LoadedConfig>(isLoadedConfig, { error });

const common = {
  config: z.union([z.string().min(1), loaded('expected the path of a configuration')]),
  env: z.record(z.string(), z.string()).default({}),
  set: z.record(z.string(), z.unknown()).default({}),
  messages: z.record(letter, z.record(z.string(), z.unknown())).default({}),
};

/** A test; the keys are those of a test file. */
export const testSchema = z.strictObject({
  name: z.string().min(1).default('marble test'),
  ...common,
  in: z.string(),
  repeat: z.record(letter, z.int().min(1).max(100_000)).default({}),
  reload: diagram(
    z.union([
      z.string().min(1),
      loaded('expected a path, the text of a configuration, or settings by their paths'),
      z.record(z.string(), z.unknown()),
    ]),
  ).optional(),
  reload_results: z.record(letter, result).default({}),
  backends: z.record(backend, z.union([z.string(), z.array(z.string()).min(1), behaviour])).default({}),
  out: z.record(backend, diagram(batch)).default({}),
  delivered: outcomes,
  filtered: outcomes,
  dead_letters: outcomes,
  shed: outcomes,
  ignore: z.array(backend).default([]),
  random: z.number().min(0).lt(1).optional(),
  seed: z.int().optional(),
});

/** Several tests in one file; what stands beside them holds for each that does not say otherwise. */
export const fileSchema = z.strictObject({
  config: common.config.optional(),
  env: common.env,
  set: common.set,
  messages: common.messages,
  tests: z.array(z.record(z.string(), z.unknown())).min(1),
});

/** A test as its author writes it. */
export type MarbleTest = z.input<typeof testSchema>;

/** A test, checked: defaults filled in, durations in milliseconds. */
export type CheckedTest = z.output<typeof testSchema>;

export type Names = z.output<typeof names>;
export type Behaviour = z.output<typeof behaviour>;
export type ExpectedResult = z.output<typeof result>;

/** A diagram with the values of its letters. */
export type DiagramOf<T> = string | readonly [string, (Readonly<Record<string, T>> | undefined)?];

/** The two parts of a diagram. */
export const partsOf = <T>(diagram: DiagramOf<T>): readonly [string, Readonly<Record<string, T>>] =>
  typeof diagram === 'string' ? [diagram, {}] : [diagram[0], diagram[1] ?? {}];
export type ExpectedBatch = z.output<typeof batch>;
export type ExpectedOutcome = z.output<typeof outcome>;
