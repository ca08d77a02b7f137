import { z } from 'zod';

/** An event's levels with their aliases, as a filter may write them. */
export const LEVELS = [
  'trace',
  'debug',
  'info',
  'notice',
  'warn',
  'warning',
  'error',
  'critical',
  'alert',
  'emergency',
  'fatal',
] as const;

const level = z.enum(LEVELS);
const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);
const glob = z.string().min(1).max(256);

const pattern = z
  .string()
  .max(1000)
  .refine(isPattern, { error: 'is not a regular expression (JavaScript, with the u flag)' });

function isPattern(text: string): boolean {
  try {
    return new RegExp(text, 'u') !== undefined;
  } catch {
    return false;
  }
}

const comparison = z.strictObject({
  gt: z.number().optional().describe('Greater than.'),
  gte: z.number().optional().describe('Greater than or equal.'),
  lt: z.number().optional().describe('Less than.'),
  lte: z.number().optional().describe('Less than or equal.'),
  exists: z.boolean().optional().describe('The field is there, or is not.'),
  regex: pattern.optional().describe('A regular expression that the text matches somewhere.'),
});

/** Conditions on fields: dotted path → value, list of values, or comparison. A text may be a glob. */
export const matchSchema = z.record(
  z.string().min(1).max(256),
  z.union([scalar, z.array(scalar).min(1), comparison]),
);

/** Which messages a rule takes; all given conditions must hold. */
export const filterSchema = z.strictObject({
  types: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe('Types of message: `event`, `metric`, `progress`, `resource`, `span`, or one of your own.'),
  levels: z.array(level).min(1).optional().describe('Levels of events; other types do not pass.'),
  min_level: level.optional().describe('The least level of events; other types pass.'),
  names: z.array(glob).min(1).optional().describe('Names of metrics and spans, as globs.'),
  sources: z.array(glob).min(1).optional().describe('Sources, as globs; useful in `all`.'),
  sample: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe('The fraction that passes: whole traces by their id, other messages at random.'),
  match: matchSchema
    .optional()
    .describe(
      'Conditions on fields by dotted path, such as `data.context.job_id`: a value, a list of values, a glob, or a map of `gt`, `gte`, `lt`, `lte`, `exists`, `regex`.',
    ),
});

const operator = z.union([
  z.string().min(1),
  z.looseObject({ use: z.string().min(1).describe("The operator's name.") }),
]);

/** One way out for a source's messages. */
export const ruleSchema = z.strictObject({
  backend: z.string().min(1).describe('The name of a section in `backends`.'),
  enabled: z.boolean().default(true).describe('`false` turns the rule off and keeps it in the file.'),
  priority: z
    .int()
    .min(-1_000_000)
    .max(1_000_000)
    .default(100)
    .describe('Lower is dispatched first and shed last.'),
  when_full: z
    .enum(['spill', 'shed', 'block'])
    .default('spill')
    .describe(
      "What happens when the backend's queue is full, or the backend makes no progress: `spill` writes to disk what comes, and sends it in order later; `shed` drops the least important messages once the queue is full, counted; `block` then stops reading from the sockets.",
    ),
  filter: filterSchema.optional().describe('Which messages the rule takes; without it, all.'),
  config: z
    .record(z.string(), z.unknown())
    .default({})
    .describe("Overrides of the backend's own options; which ones depends on its type."),
  operators: z
    .array(operator)
    .default([])
    .describe(
      'Operators of the `pipelines` folder that the messages pass through, in order: a name, or a map of `use: name` and its options.',
    ),
});

/** Rules by source. */
export const routingSchema = z.record(z.string().min(1).max(128), z.array(ruleSchema));
