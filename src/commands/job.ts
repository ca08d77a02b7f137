import { z } from 'zod';
import { visible, visibleJson } from '../visible.ts';
import { EXIT, type Out } from './host.ts';
import { ask } from './http/ask.ts';
import { NEEDS_TOKEN } from './http/token.ts';
import { duration } from './text/duration.ts';
import { fitted, widthOf } from './text/width.ts';

export interface JobOptions {
  /** Where the sidecar's HTTP side listens, e.g. `http://127.0.0.1:17001`. */
  readonly url: string;
  /** Absent: the one that the sidecar's own file has. */
  readonly token?: string | undefined;
  /** Print the sidecar's answer instead of the tree. */
  readonly json: boolean;
}

/** What the tree needs of a `JobView`. */
const jobShape = z.object({
  job_id: z.string(),
  state: z.string(),
  percent: z.number().optional(),
  total_ms: z.number(),
  unattributed_ms: z.number(),
  truncated: z.boolean(),
  warnings: z.array(z.string()).default([]),
  left_off: z.number().optional(),
  from: z.string().optional(),
  note: z.string().optional(),
  services: z.array(
    z.object({
      source: z.string(),
      summary: z.string(),
      time_ms: z.number(),
      messages: z.number(),
      errors: z.number(),
    }),
  ),
});
const problemShape = z.object({ error: z.string(), hint: z.string() });

type Job = z.output<typeof jobShape>;
type Service = Job['services'][number];

/** Prints what the running sidecar knows of a job. Resolves with the exit code: 0 found, 1 not found or no answer. */
export async function job(id: string, options: JobOptions, out: Out): Promise<number> {
  const answer = await ask(options.url, '/api/v1/jobs', { id, token: options.token }).catch(
    ({ message }: Error) => message,
  );
  const from = visible(options.url);
  if (typeof answer === 'string') {
    out.write(
      `${from} does not answer: ${visible(answer)}.\nIs the sidecar running? Start it, or give its address with --url.\n`,
    );
    return EXIT.failed;
  }
  const found = answer.status === 200 && jobShape.safeParse(answer.body);
  if (found !== false && found.success) {
    out.write(
      options.json ? printed(answer.body) : draw(found.data, out.columns ?? Number.POSITIVE_INFINITY),
    );
    return EXIT.ok;
  }
  const { data: problem } = problemShape.safeParse(answer.body);
  if (answer.status === 404 && problem) {
    out.write(options.json ? printed(answer.body) : `${visible(problem.error)}: ${visible(problem.hint)}.\n`);
    return EXIT.failed;
  }
  if (answer.status === 401) {
    out.write(`${from} asks for its token: ${NEEDS_TOKEN}\n`);
    return EXIT.failed;
  }
  const said = problem ? `${visible(problem.error)}; ${visible(problem.hint)}` : 'which no sidecar says';
  out.write(
    `${from} answers with status ${answer.status}, ${said}.\nGive the sidecar's HTTP address with --url.\n`,
  );
  return EXIT.failed;
}

const printed = (body: unknown) =>
  `${JSON.stringify(body, null, 2).split('\n').map(visibleJson).join('\n')}\n`;

/** The job as a tree: one line a service, then the total. */
function draw(found: Job, columns: number): string {
  const lines = found.services.map((service, at) =>
    drawService(service, at === found.services.length - 1, columns),
  );
  return [`${visible(found.job_id)}:${standing(found)}`, ...lines, '', ...sums(found), ''].join('\n');
}

/** What is said of a job that did not simply succeed. */
function standing({ state, percent }: Job): string {
  if (state === 'succeeded') return '';
  return ` ${visible(state)}${percent === undefined ? '' : `, ${Math.round(percent)} %`}`;
}

const OVER: readonly string[] = ['succeeded', 'failed', 'cancelled', 'abandoned'];

function sums({
  state,
  total_ms,
  unattributed_ms,
  truncated,
  left_off,
  warnings,
  from,
  note,
}: Job): string[] {
  const lines = [`  Total: ${duration(total_ms)}${OVER.includes(state) ? '' : ' so far'}`];
  if (unattributed_ms > total_ms / 100) lines.push(`  Unattributed: ${duration(unattributed_ms)}`);
  if (left_off !== undefined) lines.push(`  ${counted(left_off, 'older message')} in the database left off.`);
  else if (truncated) lines.push('  The oldest messages are known only as sums.');
  if (warnings.includes('approximate'))
    lines.push('  Some messages were only counted: spans and times may lack.');
  if (from === 'postgres') lines.push('  From the database.');
  if (note !== undefined) lines.push(`  Note: ${visible(note)}.`);
  return lines;
}

const MIN_TEXT_COLUMNS = 10;

function drawService(
  { source, summary, time_ms, messages, errors }: Service,
  last: boolean,
  columns: number,
): string {
  const head = `  ${last ? '└─' : '├─'} ${visible(source)}: `;
  const mark = errors === 0 ? '' : ` ✗ ${counted(errors, 'error')}`;
  const tail = ` (${duration(time_ms)})${mark}`;
  const text = summary === '' ? counted(messages, 'message') : visible(summary);
  return head + fitted(text, Math.max(MIN_TEXT_COLUMNS, columns - widthOf(head) - widthOf(tail))) + tail;
}

const counted = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`;
