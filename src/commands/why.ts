import { z } from 'zod';
import { visible, visibleJson } from '../visible.ts';
import { EXIT, type Out } from './host.ts';
import { ask } from './http/ask.ts';
import { NEEDS_TOKEN } from './http/token.ts';

export interface WhyOptions {
  /** Where the sidecar's HTTP side listens, e.g. `http://127.0.0.1:17001`. */
  readonly url: string;
  /** Absent: the one that the sidecar's own file has. */
  readonly token?: string | undefined;
  /** Print the sidecar's answer instead of the story. */
  readonly json: boolean;
}

const messageShape = z.object({
  id: z.string(),
  source: z.string(),
  type: z.string(),
  received_at: z.string(),
  job_id: z.string().optional(),
  trace_id: z.string().optional(),
  seq: z.number().optional(),
});

const storyShape = z.object({
  message: messageShape,
  batch: z.object({ size: z.number(), closed: z.string(), because: z.string() }).optional(),
  backends: z.array(
    z.object({
      backend: z.string(),
      state: z.string(),
      because: z.string(),
      rules: z.array(z.string()),
      queued: z.string().optional(),
      target: z.string().optional(),
      attempts: z.array(
        z.object({
          time: z.string(),
          attempt: z.number(),
          result: z.string(),
          ms: z.number(),
          error: z.string().optional(),
        }),
      ),
      place: z.string().optional(),
      ended: z.string().optional(),
    }),
  ),
});
const matchesShape = z.object({ matches: z.array(messageShape), total: z.number() });
const problemShape = z.object({ error: z.string(), hint: z.string() });

type Message = z.output<typeof messageShape>;
type Story = z.output<typeof storyShape>;
type BackendStory = Story['backends'][number];

/** What of a story is told elsewhere. */
export interface Told {
  readonly text: string;
  /** Whether its way to every backend has ended, and well. */
  readonly isSettled: boolean;
  readonly isGood: boolean;
  /** Whether an attempt to send it failed. */
  readonly hasFailed: boolean;
  /** The backends where its way has not ended. */
  readonly waitsFor: readonly string[];
}

const GOOD = ['delivered', 'filtered'];

/** The story that the sidecar answered with; `undefined` if that is none. */
export function storyOf(body: unknown): Told | undefined {
  const story = storyShape.safeParse(body).data;
  if (story === undefined) return undefined;
  const { backends } = story;
  return {
    text: draw(story),
    isSettled: backends.length > 0 && backends.every(({ ended }) => ended !== undefined),
    isGood: backends.every(({ state }) => GOOD.includes(state)),
    hasFailed: backends.some(({ attempts }) => attempts.some(({ error }) => error !== undefined)),
    waitsFor: backends.filter(({ ended }) => ended === undefined).map(({ backend }) => backend),
  };
}

/** `sidecar why ID`: what happened to a message. Resolves with the exit code: 0 found, 1 not found or no answer. */
export async function why(id: string, { url, json, token }: WhyOptions, out: Out): Promise<number> {
  const answer = await ask(url, '/api/v1/why', { id, token }).catch(({ message }: Error) => message);
  if (typeof answer === 'string') {
    out.write(
      `${visible(url)} does not answer: ${visible(answer)}.\nIs the sidecar running? Start it, or give its address with --url.\n`,
    );
    return EXIT.failed;
  }
  const { status, body } = answer;
  if (json && body !== undefined) {
    out.write(`${JSON.stringify(body, null, 2).split('\n').map(visibleJson).join('\n')}\n`);
    return status === 200 ? EXIT.ok : EXIT.failed;
  }
  const story = storyOf(body);
  const matches = matchesShape.safeParse(body).data;
  const problem = problemShape.safeParse(body).data;
  if (story !== undefined) out.write(story.text);
  else if (matches !== undefined) out.write(list(matches));
  else if (status === 401) out.write(`${visible(url)} asks for its token: ${NEEDS_TOKEN}\n`);
  else if (problem !== undefined) out.write(`${visible(problem.error)}: ${visible(problem.hint)}.\n`);
  else out.write(`${visible(url)} answers with status ${status}, which no sidecar says; use --url.\n`);
  return story === undefined && matches === undefined ? EXIT.failed : EXIT.ok;
}

function list({ matches, total }: z.output<typeof matchesShape>): string {
  const lines = matches.map((message) => `${message.id}  ${message.received_at}  ${nameOf(message)}`);
  const rest = total > matches.length ? `The newest ${matches.length} of ${total}.\n` : '';
  return `${lines.map(visible).join('\n')}\n\n${rest}Ask for one of them: sidecar why ID\n`;
}

const nameOf = ({ source, type, seq, job_id, trace_id }: Message) =>
  [
    `${type} of ${source}`,
    ...(seq === undefined ? [] : [`number ${seq}`]),
    ...(job_id === undefined ? [] : [`job ${job_id}`]),
    ...(trace_id === undefined ? [] : [`trace ${trace_id}`]),
  ].join(', ');

const MARKS: Readonly<Record<string, string>> = {
  delivered: '✓',
  shed: '✗',
  dead_lettered: '✗',
  filtered: '–',
};

function draw({ message, batch, backends }: Story): string {
  const lines = [
    `${message.id}: ${nameOf(message)}`,
    `  received ${message.received_at}`,
    ...(batch === undefined ? [] : [`  batched  ${batch.closed}, ${batch.size} in all: ${batch.because}`]),
    ...(batch === undefined && backends.length === 0
      ? ['  … waits until the batch of its source closes']
      : []),
    ...backends.flatMap((backend) => drawBackend(backend, message.received_at)),
  ];
  return `${lines.map(visible).join('\n')}\n`;
}

function drawBackend(story: BackendStory, receivedAt: string): string[] {
  const { backend, state, because, rules, queued, target, attempts, place, ended } = story;
  const after = (time: string) => `+${Date.parse(time) - Date.parse(receivedAt)}ms`;
  const label = state.replaceAll('_', ' ');
  return [
    `  ${MARKS[state] ?? '…'} ${backend}: ${label}${ended === undefined ? '' : ` ${after(ended)}`}, ${because}`,
    ...(rules.length === 0 ? [] : [`      taken by ${rules.join(', ')}`]),
    ...(queued === undefined ? [] : [`      queued ${after(queued)} for ${target}`]),
    ...attempts.map(
      ({ time, attempt, result, ms, error }) =>
        `      attempt ${attempt} ${after(time)}, ${result} after ${ms}ms${error === undefined ? '' : `: ${error}`}`,
    ),
    ...(place === undefined ? [] : [`      it is in ${place}`]),
  ];
}
