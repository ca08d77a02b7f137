/**
 * redact: replaces secrets before they leave for a backend.
 *
 * Looks at the whole record but its envelope (`source`, `type`, `timestamp`, ids: they are keys of everything
 * else). A message without a hit passes as it is, in its sender's own text.
 *
 *   fields       globs of dotted paths; what they match is replaced whole, objects too. `*` is any text within a
 *                key and any element of an array, `**` any number of keys. Upper and lower case are the same.
 *   values       regular expressions (JavaScript, with the u flag); what they match inside texts and numbers is
 *                replaced.
 *                A slow expression slows the sidecar; one that backtracks without end, as `^(a+)+$` may, stops it.
 *   patterns     ready-made ones of both kinds: passwords, tokens, credit_cards, emails.
 *                Default: the first three.
 *   replacement  what stands there instead. Default: [redacted]
 *
 *   operators:
 *     - use: redact
 *       fields: [data.context.user.name, '**.iban']
 *       values: ['\b\d{3}-\d{2}-\d{4}\b']
 *       patterns: [passwords, tokens, credit_cards, emails]
 *
 * A message with a hit is written anew, with its numbers as they were. Keys are not searched.
 */
import {
  exactNumber,
  exactRecordOf,
  type FieldPlace,
  fieldGlobs,
  hasShadowedMembers,
  type Json,
  type JsonObject,
  type Message,
  type Operator,
  withExactRecord,
} from 'monitoring-sidecar';
import { map } from 'rxjs';
import { z } from 'zod';

interface ValuePattern {
  readonly regex: RegExp;
  /** The first group stays, what follows it is replaced. */
  readonly keepsStart?: boolean;
  readonly accepts?: (match: string) => boolean;
}

interface Pattern {
  readonly fields: readonly string[];
  readonly values: readonly ValuePattern[];
}

const PATTERNS = {
  passwords: {
    fields: ['*password*', '*passwd*', '*passphrase*', 'pwd', '*secret*', '*private_key*'].map(
      (key) => `**.${key}`,
    ),
    values: [
      {
        // In quotes up to the quote that closes, spaces and all; quotes may be escaped, as in JSON within a text.
        regex:
          /(\b(?:password|passwd|pwd|secret)(?:\\?["'])?\s{0,8}[=:]\s{0,8}(?:\\?["'])?)(?:(?<=\\["'])[^"'\\]+|(?<=(?<!\\)")(?:\\.|[^"\\])+|(?<=(?<!\\)')(?:\\.|[^'\\])+|(?!\\["'])[^\s"',;&]+)/gis,
        keepsStart: true,
      },
      { regex: /(:\/\/[^\s:@/]{0,64}:)[^\s@/]{1,256}(?=@)/g, keepsStart: true },
    ],
  },
  tokens: {
    fields: [
      '*token',
      '*api_key',
      '*api-key',
      '*apikey',
      '*access_key*',
      'authorization',
      'cookie',
      'set-cookie',
    ].map((key) => `**.${key}`),
    values: [
      { regex: /(\b(?:Bearer|Authorization\W{1,8}Basic)\s{1,8})[\w.~+/=-]{8,}/gi, keepsStart: true },
      { regex: /(\b(?:\w{0,16}token|api_?key)=)[^\s&"']+/gi, keepsStart: true },
      { regex: /\beyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*/g },
      { regex: /\b(?:(?:AKIA|ASIA)[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36,})\b/g },
    ],
  },
  credit_cards: {
    fields: [],
    values: [{ regex: /(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)/g, accepts: isCardNumber }],
  },
  emails: { fields: [], values: [{ regex: /[\w.%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+/g }] },
} satisfies Record<string, Pattern>;

/** First digits of cards, and the check digit of Luhn: a time in microseconds is no card. */
function isCardNumber(match: string): boolean {
  const digits = match.replace(/\D/g, '');
  if (!/^[2-6]/.test(digits)) return false;
  let sum = 0;
  for (let at = 0; at < digits.length; at++) {
    const digit = Number(digits.at(-1 - at));
    sum += at % 2 === 0 ? digit : digit * 2 - (digit > 4 ? 9 : 0);
  }
  return sum % 10 === 0;
}

/** Says what is wrong with a regular expression; one that matches the empty text matches just anywhere. */
function checkRegex(text: string, context: z.RefinementCtx): void {
  try {
    if (new RegExp(text, 'u').test(''))
      context.addIssue({ code: 'custom', message: 'matches the empty text' });
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message });
  }
}

/** What is written as a path elsewhere, and would match nothing here. */
const NO_PATH = /^\s|\s$|^\$\.|^\.|\.\.|\.$/;
const glob = z
  .string()
  .min(1)
  .max(256)
  .refine((text) => !NO_PATH.test(text), { error: 'is no path such as data.user.name or **.iban' });

const NAMES = ['passwords', 'tokens', 'credit_cards', 'emails'] as const;
const options = z.strictObject({
  fields: z.array(glob).default([]),
  values: z.array(z.string().min(1).superRefine(checkRegex)).default([]),
  patterns: z.array(z.enum(NAMES)).default(['passwords', 'tokens', 'credit_cards']),
  replacement: z.string().default('[redacted]'),
});

const redact: Operator<z.output<typeof options>> = ({ fields, values, patterns, replacement }) => {
  const chosen: readonly Pattern[] = patterns.map((name) => PATTERNS[name]);
  const root = fieldGlobs([...fields, ...chosen.flatMap((pattern) => pattern.fields)]);
  const own = values.map((text) => ({ regex: new RegExp(text, 'gu') }));
  const inText = compileValues([...own, ...chosen.flatMap((pattern) => pattern.values)], replacement);
  const redactRecord = createWalk(root, inText, replacement);

  return map((message: Message) => {
    const record = exactRecordOf(message);
    const redacted = redactRecord(record);
    return redacted === record && !hasShadowedMembers(message) ? message : withExactRecord(message, redacted);
  });
};

redact.options = options;
export default redact;

const ENVELOPE: readonly string[] = [
  'source',
  'timestamp',
  'type',
  'trace_id',
  'span_id',
  'job_id',
  'seq',
  'ts_us',
];

/** Copies on write: what has no hit is returned as the identical value. */
function createWalk(root: FieldPlace, inText: (text: string) => string, replacement: string) {
  const walk = (value: Json, place: FieldPlace): Json => {
    const digits = exactNumber(value);
    if (digits !== undefined) return inNumber(Number(digits)) ?? inNumber(digits) ?? value;
    if (typeof value === 'string') return inText(value);
    if (typeof value === 'number') return inNumber(value) ?? value;
    if (typeof value !== 'object' || value === null) return value;
    return Array.isArray(value) ? inArray(value, place) : inObject(value as JsonObject, place, []);
  };
  const inNumber = (value: number | string) => {
    const text = String(value);
    const redacted = inText(text);
    return redacted === text ? undefined : redacted;
  };
  const inArray = (values: readonly Json[], place: FieldPlace) => {
    const below = place.below('*');
    const redacted = values.map((value) => (below.isHit ? replacement : walk(value, below)));
    return redacted.some((value, at) => value !== values[at]) ? redacted : values;
  };
  const inObject = (object: JsonObject, place: FieldPlace, except: readonly string[]) => {
    const changes = new Map<string, Json>();
    for (const key of Object.keys(object)) {
      const value = object[key] ?? null;
      const below = place.below(key);
      const redacted = below.isHit ? replacement : walk(value, below);
      if (redacted !== value && !except.includes(key)) changes.set(key, redacted);
    }
    if (changes.size === 0) return object;
    // Not by assignment, which would take a key `__proto__` for the prototype.
    return Object.fromEntries(
      Object.entries(object).map((member) => [member[0], changes.get(member[0]) ?? member[1]]),
    );
  };
  return (record: JsonObject) => inObject(record, root, ENVELOPE);
}

function compileValues(patterns: readonly ValuePattern[], replacement: string): (text: string) => string {
  return (text) => {
    let redacted = text;
    for (const { regex, keepsStart, accepts } of patterns) {
      if (redacted.search(regex) === -1) continue;
      redacted = redacted.replace(regex, (match: string, start: string) => {
        if (accepts !== undefined && !accepts(match)) return match;
        return keepsStart ? start + replacement : replacement;
      });
    }
    return redacted;
  };
}
