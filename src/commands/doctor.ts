import { randomBytes } from 'node:crypto';
import { firstValueFrom, timer } from 'rxjs';
import { z } from 'zod';
import { idOf, prefixOf } from '../ingest/session/session.ts';
import { visible } from '../visible.ts';
import { type Answer, type Client, connectTo } from './doctor/client.ts';
import { type Environment, type Finding, readEnvironment } from './doctor/environment.ts';
import { EXIT, type Host, type Out } from './host.ts';
import { ask } from './http/ask.ts';
import { NEEDS_TOKEN } from './http/token.ts';
import { storyOf, type Told } from './why.ts';

export interface DoctorOptions {
  /** In place of `MONITORING_HOST` and `MONITORING_PORT`. */
  readonly host?: string;
  readonly port?: string;
  /** Where the sidecar's HTTP side listens. */
  readonly url: string;
  /** Absent: the one that the sidecar's own file has. */
  readonly token?: string | undefined;
}

/** What it touches of the process. */
type Around = Pick<Host, 'env' | 'out' | 'scheduler'>;

const ANSWER_MS = 3_000;
/** Longer than a batch waits by default. */
const STORY_MS = 8_000;
const STORY_EVERY_MS = 100;

/**
 * `sidecar doctor`: whether telemetry of a program that is started here reaches the sidecar, and what becomes of it:
 * connects as an SDK does, sends one event, and tells its story. Resolves with the exit code: 0 it does, 1 it does not.
 */
export async function doctor(options: DoctorOptions, host: Around): Promise<number> {
  const { env, out } = host;
  const environment = readEnvironment(env, options);
  tell(out, 'Environment', environment.findings);
  if (environment.findings.some(({ state }) => state === 'bad')) return EXIT.failed;
  const sent = await talk(environment, host);
  if (sent === undefined) return EXIT.failed;
  return follow(sent, options, host);
}

const MARKS: Readonly<Record<Finding['state'], string>> = { good: '✓', bad: '✗', note: '–' };

function tell(out: Out, title: string, findings: readonly Finding[]): void {
  if (title !== '') out.write(`${title}\n`);
  for (const { state, text } of findings) out.write(`  ${MARKS[state]} ${visible(text)}\n`);
}

/** Sends an event and waits until it is taken; its id, or `undefined` if it is not. */
async function talk(environment: Environment, { out, scheduler }: Around): Promise<string | undefined> {
  const { host, port, protocol } = environment;
  const place = `${host}:${port}`;
  out.write('Connection\n');
  let client: Client;
  const startedMs = scheduler.now();
  const spent = () => `${scheduler.now() - startedMs} ms`;
  try {
    client = await connectTo(environment, ANSWER_MS, scheduler);
  } catch (error) {
    tell(out, '', [{ state: 'bad', text: `${place} cannot be reached: ${unreached(error as Error)}` }]);
    return undefined;
  }
  tell(out, '', [{ state: 'good', text: `connected to ${place} after ${spent()}` }]);
  try {
    const { id, welcome } = await send(client, environment, new Date(scheduler.now()).toISOString());
    const text = `a sidecar takes ${protocol} there, version ${welcome.data.v}`;
    tell(out, '', [
      { state: 'good', text },
      { state: 'good', text: `it has taken a test event of source ${environment.source}, after ${spent()}` },
    ]);
    return id;
  } catch (error) {
    tell(out, '', [{ state: 'bad', text: (error as Error).message }]);
    return undefined;
  } finally {
    client.end();
  }
}

function unreached(error: NodeJS.ErrnoException): string {
  const hints: Readonly<Record<string, string>> = {
    ECONNREFUSED: 'nothing listens there. Start the sidecar, or set MONITORING_HOST and MONITORING_PORT',
    ENOTFOUND: 'there is no such host. Set MONITORING_HOST to an address',
    EHOSTUNREACH: 'no way leads there. Is it the address that the sidecar binds?',
  };
  return (
    hints[error.code ?? ''] ??
    (error.message || error.code || 'no answer; is something between that drops packets?')
  );
}

/** Throws `Error` with what is wrong, and what to do. */
async function send(client: Client, { source, token }: Environment, timestamp: string) {
  const session = randomBytes(16).toString('hex');
  const secret = token === '' ? {} : { token };
  const hello = { v: 1, session, sdk: 'doctor', ack: 'memory', ...secret };
  client.say({ source, timestamp, type: 'hello', data: hello });
  const welcome = await client.hear(['welcome', 'error'], ANSWER_MS).catch(({ message }: Error) => {
    throw new Error(
      `what listens there does not answer as a sidecar does (${message}). Is it one? A listener with TLS takes no SDK`,
    );
  });
  if (welcome.type === 'error') throw new Error(refused(welcome, token));
  const data = { level: 'info', message: 'sidecar doctor: a test event' };
  client.say({ source, timestamp, type: 'event', seq: 1, data });
  // Nobody should wait for a batch to fill.
  client.say({ source, timestamp, type: 'ping', data: {} });
  const taken = await client.hear(['ack', 'nack', 'error'], ANSWER_MS).catch(({ message }: Error) => {
    throw new Error(
      `the test event was not acknowledged (${message}): the sidecar may be waiting for a backend; see sidecar top`,
    );
  });
  if (taken.type !== 'ack') throw new Error(`the test event was refused: ${textOf(taken)}`);
  return { id: idOf(prefixOf(session), 1), welcome };
}

const textOf = ({ data }: Answer) => String(data.message ?? data.code ?? 'no reason given');

function refused(answer: Answer, token: string): string {
  if (answer.data.code !== 'auth') return `the sidecar refuses the connection: ${textOf(answer)}`;
  return token === ''
    ? 'the sidecar asks for a token: set MONITORING_TOKEN to its auth.token'
    : 'the token is wrong: MONITORING_TOKEN has to be the auth.token of the sidecar';
}

/** Tells what became of the event, once that is settled. */
async function follow(
  id: string,
  { url, token }: DoctorOptions,
  { out, scheduler }: Around,
): Promise<number> {
  out.write('Delivery\n');
  const endMs = scheduler.now() + STORY_MS;
  for (;;) {
    const answer = await ask(url, '/api/v1/why', { id, token }).catch(({ message }: Error) => message);
    if (typeof answer === 'string') {
      const text = `what became of it is not known: ${url} does not answer (${answer}). Give the address with --url`;
      tell(out, '', [{ state: 'note', text }]);
      return EXIT.ok;
    }
    if (answer.status === 401) {
      const text = `what became of it is not known: ${url} asks for its token: ${NEEDS_TOKEN}`;
      tell(out, '', [{ state: 'note', text }]);
      return EXIT.ok;
    }
    const story = storyOf(answer.body);
    const isLate = scheduler.now() > endMs;
    if (story !== undefined && (story.isSettled || isLate)) {
      out.write(story.text);
      if (story.isSettled) return story.isGood ? EXIT.ok : EXIT.failed;
      const findings = await delaysOf(story, id, { url, token });
      tell(out, '', findings);
      return findings.some(({ state }) => state === 'bad') ? EXIT.failed : EXIT.ok;
    }
    if (isLate) {
      const text = `what became of it is not known (${url} answers with status ${answer.status}); is that the same sidecar?`;
      tell(out, '', [{ state: 'note', text }]);
      return EXIT.ok;
    }
    await firstValueFrom(timer(STORY_EVERY_MS, scheduler));
  }
}

const readiness = z.object({ warnings: z.array(z.string()) });

/** What keeps an event on its way, by what the sidecar says of its backends; a `note` where nothing is wrong with them. */
async function delaysOf(
  { hasFailed, waitsFor }: Told,
  id: string,
  { url, token }: Pick<DoctorOptions, 'url' | 'token'>,
): Promise<Finding[]> {
  const answer = await ask(url, '/readyz', { token }).catch(() => undefined);
  const warnings = (readiness.safeParse(answer?.body).data?.warnings ?? []).filter((warning) =>
    waitsFor.some((name) => [' ', ':'].some((end) => warning.startsWith(`backend ${name}${end}`))),
  );
  if (!hasFailed && warnings.length === 0) {
    const text = `a backend has not taken it yet, and none fails: it may wait to be sent with others (an s3 backend waits a minute, if batch.max_age says nothing else); ask again with sidecar why ${id}`;
    return [{ state: 'note', text }];
  }
  return [...warnings, 'a backend has not taken it yet; see sidecar top'].map((text) => ({
    state: 'bad',
    text,
  }));
}
