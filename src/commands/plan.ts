import { z } from 'zod';
import { MAX_FILE_BYTES } from '../config/document.ts';
import { readText, reasonOf } from '../config/file.ts';
import { visible, visibleJson } from '../visible.ts';
import { EXIT, type Out } from './host.ts';
import { ask } from './http/ask.ts';
import { NEEDS_TOKEN } from './http/token.ts';

export interface PlanOptions {
  /** Where the sidecar's HTTP side listens, e.g. `http://127.0.0.1:17001`. */
  readonly url: string;
  /** Absent: the one that the sidecar's own file has. */
  readonly token?: string | undefined;
  /** Print the sidecar's answer instead of sentences. */
  readonly json: boolean;
}

const change = z.enum(['kept', 'replaced', 'opened', 'drained']);
const planShape = z.object({
  unchanged: z.boolean(),
  warnings: z.array(z.string()),
  listeners: z.array(z.object({ address: z.string(), change })),
  backends: z.array(z.object({ backend: z.string(), change, keys: z.array(z.string()) })),
  operators: z.array(z.object({ rule: z.string(), use: z.array(z.string()), change })),
  settings: z.array(z.string()),
  routing: z.object({
    messages: z.number(),
    changed: z.number(),
    differences: z.array(
      z.object({
        source: z.string(),
        type: z.string(),
        messages: z.number(),
        before: z.array(z.string()),
        after: z.array(z.string()),
        example: z.string(),
      }),
    ),
  }),
});
const rejectedShape = z.object({ errors: z.array(z.string()) });

type Plan = z.output<typeof planShape>;
type Change = z.output<typeof change>;

/**
 * `sidecar plan FILE`: what would change if the running sidecar's configuration were this. Resolves to the exit code:
 * 0 it would be taken, 1 it would be rejected, or nobody answers.
 */
export async function plan(file: string, { url, json, token }: PlanOptions, out: Out): Promise<number> {
  const say = (lines: readonly string[]) => out.write(lines.map((line) => `${visible(line)}\n`).join(''));
  let text: string;
  try {
    text = await readText(file, MAX_FILE_BYTES);
  } catch (error) {
    say([`${file}: cannot read the file: ${reasonOf(error)}`]);
    return EXIT.failed;
  }
  const answer = await ask(url, '/api/v1/plan', { text, token }).catch(({ message }: Error) => message);
  if (typeof answer === 'string') {
    say([
      `${url} does not answer: ${answer}.`,
      'Is the sidecar running? Start it, or give its address with --url.',
    ]);
    return EXIT.failed;
  }
  const { status, body } = answer;
  const planned = planShape.safeParse(body).data;
  const rejected = rejectedShape.safeParse(body).data;
  if (json && body !== undefined) {
    out.write(`${JSON.stringify(body, null, 2).split('\n').map(visibleJson).join('\n')}\n`);
  } else if (planned !== undefined) {
    say(describe(planned));
  } else if (rejected !== undefined) {
    say([...rejected.errors, 'It would be rejected, and the configuration in force would stay.']);
  } else {
    say([
      status === 401
        ? `${url} asks for its token: ${NEEDS_TOKEN}`
        : `${url} answers with status ${status}, which no sidecar says; use --url.`,
    ]);
  }
  return planned === undefined ? EXIT.failed : EXIT.ok;
}

const MARKS: Readonly<Record<Change, string>> = { kept: '=', replaced: '~', opened: '+', drained: '-' };
const MEANS: Readonly<Record<Change, string>> = {
  kept: 'kept, not touched',
  replaced: 'replaced: the new one takes over at once, the old one drains',
  opened: 'opened',
  drained: 'drained, then closed',
};

function describe(planned: Plan): string[] {
  const { unchanged, warnings, listeners, backends, operators, settings, routing } = planned;
  if (unchanged) return [...warnings.map(warning), 'Nothing would change.'];
  const rows = (title: string, all: readonly { name: string; change: Change; more?: string }[]) =>
    all.length === 0
      ? []
      : [
          title,
          ...all.map(({ name, change: of, more = '' }) => `  ${MARKS[of]} ${name}: ${MEANS[of]}${more}`),
        ];
  return [
    ...warnings.map(warning),
    ...rows(
      'Backends',
      backends.map(({ backend, change: of, keys }) => ({
        name: backend,
        change: of,
        more: keys.length === 0 ? '' : ` (${keys.join(', ')})`,
      })),
    ),
    ...rows(
      'Operators',
      operators.map(({ rule, use, change: of }) => ({ name: `${rule} ${use.join(' → ')}`, change: of })),
    ),
    ...rows(
      'Listeners',
      listeners.map(({ address, change: of }) => ({ name: address, change: of })),
    ),
    ...(settings.length === 0 ? [] : [`Settings that change: ${settings.join(', ')}`]),
    ...describeRouting(routing),
  ];
}

const warning = (text: string) => `warning: ${text}`;

function describeRouting({ messages, changed, differences }: Plan['routing']): string[] {
  if (messages === 0) return ['Routing: no messages are remembered that could be tried.'];
  const found = changed === 0 ? 'all would have gone the same way' : `${changed} would have gone elsewhere`;
  const head = `Routing: of ${messages} remembered message${messages === 1 ? '' : 's'} ${found}.`;
  const list = (backends: readonly string[]) => (backends.length === 0 ? 'nowhere' : backends.join(', '));
  return [
    head,
    ...differences.map(
      ({ source, type, messages: count, before, after, example }) =>
        `  ${count} × ${type} of ${source}: ${list(before)} → ${list(after)}  (${example})`,
    ),
  ];
}
