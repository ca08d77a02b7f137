import type { Fields } from './frames.ts';
import { fieldsOf } from './members.ts';
import type { Settings } from './settings.ts';
import { type Place, parseTraceparent, type Spans } from './spans.ts';
import { cleanText, plain } from './values.ts';

const MAX_FIELDS = 64;

/** What goes with every record: the job, the place in a trace, and the fields that the program has set. */
export class Scope {
  readonly #spans: Spans;
  readonly #firstJob: string | undefined;
  readonly #inherited: Place;
  #remote: Place;
  #traceId = '';
  #job: string | undefined;
  #isJobOver = false;
  /** Those of `tags` and `setContext`. */
  readonly fields: Fields;

  constructor({ jobId, tags }: Settings, spans: Spans) {
    this.#spans = spans;
    this.#job = this.#firstJob = jobId;
    this.#inherited = this.#remote = parseTraceparent(process.env.TRACEPARENT) ?? { trace: '', span: '' };
    this.fields = fieldsOf(tags);
  }

  get job(): string | undefined {
    return this.#job;
  }

  /** A service's next span may start before setContext says for which job; its start must not name the last one. */
  get jobOfNewSpan(): string | undefined {
    return this.#isJobOver ? undefined : this.#job;
  }

  /** To be called when a span is no longer open. */
  spanEnded(): void {
    this.#isJobOver = this.#spans.size === 0 && this.#job !== this.#firstJob;
  }

  /** Sets a field, the job (`job_id`) or the trace (`trace_id`); null takes it out. False if it cannot be set. */
  set(key: string, value: unknown): boolean {
    const name = cleanText(key);
    if (name === 'job_id') {
      this.#job = value == null ? this.#firstJob : cleanText(value);
      this.#isJobOver = false;
    } else if (name === 'trace_id') {
      const trace = value == null ? '' : cleanText(value).replaceAll('-', '').toLowerCase();
      if (value != null && !/^(?!0{32})[0-9a-f]{32}$/.test(trace)) return false;
      this.#traceId = trace;
    } else if (value == null) delete this.fields[name];
    else if (!(name in this.fields) && Object.keys(this.fields).length >= MAX_FIELDS) return false;
    else this.fields[name] = plain(value);
    return true;
  }

  /** Takes up a trace for what is outside of spans; without one it goes back to what the process inherited. */
  continueTrace(traceparent?: string): boolean {
    const remote = traceparent == null ? this.#inherited : parseTraceparent(traceparent);
    if (remote !== undefined) this.#remote = remote;
    return remote !== undefined;
  }

  /** That of the span open in this context, else of the trace that was set, else what was inherited. */
  place(): Place {
    const span = this.#spans.current();
    if (span !== undefined) return { trace: span.trace, span: span.id };
    return this.#traceId === '' ? this.#remote : { trace: this.#traceId, span: '' };
  }

  /** The members of the envelope that say so. */
  ids(job: string | undefined, { trace, span }: Place = this.place()): Fields {
    const ids: Fields = {};
    if (trace !== '') ids.trace_id = trace;
    if (span !== '') ids.span_id = span;
    if (job !== undefined) ids.job_id = job;
    return ids;
  }
}
