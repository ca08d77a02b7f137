/// <reference lib="esnext.disposable" preserve="true" />
import { writeSync } from 'node:fs';
import { noneDropped, type Reason, type Stats } from './dropped.ts';
import { type Fields, Frames, nowUs } from './frames.ts';
import { Link } from './link.ts';
import { edited, fieldsOf, progressOf, resourceOf } from './members.ts';
import { resourceSampler } from './resources.ts';
import { Scope } from './scope.ts';
import { type Options, rankOf, readSettings, type Settings } from './settings.ts';
import { ending, newId, parseTraceparent, type Span, type SpanOptions, Spans } from './spans.ts';
import { cleanText } from './values.ts';

const WARN = 4;
const CLOSE_MS = 1000;
const ABSENT_MS = 200;
const NO_SPAN = '0'.repeat(16);

/** Sends to one sidecar as one source. No method throws or waits, but those that return a promise, which never rejects. */
export class Client {
  readonly settings: Settings;
  readonly #link: Link | undefined;
  readonly #frames: Frames;
  readonly #spans = new Spans();
  readonly #scope: Scope;
  #unknownSpans = 0;
  #busy = false;
  #closed: Promise<boolean> | undefined;
  /** How many records there were when the process was about to end. */
  #triedAt = -1;
  #isOver = false;
  readonly #sample = resourceSampler();

  constructor(options: Options = {}) {
    this.settings = readSettings(options);
    this.#frames = new Frames(this.settings);
    const { host, port, bufferBytes, ack, token, disabled, debug, unknown } = this.settings;
    this.#scope = new Scope(this.settings, this.#spans);
    if (disabled) return;
    if (unknown.length > 0) this.#notice(`unknown option ${unknown.join(', ')}`);
    const hello = ack !== '' || token !== '' ? () => this.#frames.hello() : undefined;
    this.#link = new Link({ host, port, limitBytes: bufferBytes, notice: (text) => this.#notice(text), hello, debug, ack: ack !== '' });
  }

  /** Resolves once the connection is up, or the time has passed; whether it is. Await it in short programs. */
  ready(timeoutMs = 1000): Promise<boolean> {
    return this.#link?.connected(timeoutMs) ?? Promise.resolve(false);
  }

  /** An event. Levels: trace, debug, info, warn, error, fatal; the usual other names are understood. */
  logEvent(level: string, message: string, context?: unknown): boolean {
    return this.#safely(() => {
      const name = cleanText(level || 'info') || 'info';
      const rank = rankOf(name);
      if (rank < this.settings.rank) return true;
      return this.#record('event', { level: name, message: cleanText(message ?? '') }, 'context', context, rank >= WARN);
    }, false);
  }

  /** A finite number, or text that reads as one; else the record is dropped and counted. */
  logMetric(name: string, value: number, unit?: string, tags?: unknown): boolean {
    return this.#safely(() => {
      const number = typeof value === 'number' ? value : Number(cleanText(value) || Number.NaN);
      if (!Number.isFinite(number)) return this.#drop('encode');
      return this.#record('metric', { name: cleanText(name ?? ''), value: number, unit: unit == null ? null : cleanText(unit) }, 'tags', tags);
    }, false);
  }

  /** How far a job is, 0 to 100; `more`: message, current, total. */
  logProgress(jobId: string | undefined, percent: number, status?: string, more: Readonly<Record<string, unknown>> = {}): boolean {
    return this.#safely(() => {
      const job = jobId == null ? this.#scope.job : cleanText(jobId);
      const { core, isFinal } = progressOf(job, percent, status, more);
      return this.#record('progress', core, 'context', undefined, isFinal, this.#scope.ids(job));
    }, false);
  }

  /** cpu in percent, memory in MB, disk and network in MB since the last record; any other numbers besides. */
  logResource(values: Readonly<Record<string, unknown>>): boolean {
    return this.#safely(() => this.#record('resource', resourceOf(values), 'context'), false);
  }

  /** This process's processor time in percent since it was last asked, and its memory in MB; the first time it only begins to count. */
  sampleResources(): boolean {
    return this.#safely(() => {
      const used = this.#sample();
      return used === undefined || this.#record('resource', used, 'context');
    }, false);
  }

  /** Begins a span that stays open in this context until `endSpan`; its id, 16 hexadecimal digits. */
  startSpan(name: string, options: SpanOptions = {}): string {
    return this.#safely(() => {
      const span = this.#start(name, options);
      this.#spans.enter(span);
      return span.id;
    }, NO_SPAN);
  }

  /** Ends a span. One that is not open is counted, and nothing else. */
  endSpan(spanId: string, status = 'success', message?: string, attributes?: unknown): boolean {
    return this.#safely(() => {
      const span = this.#spans.get(spanId);
      if (span === undefined) {
        this.#unknownSpans++;
        return false;
      }
      const us = Math.max(0, Math.round((performance.now() - span.startMs) * 1000));
      const core: Fields = { phase: 'end', ...span.core, duration_us: us, status: cleanText(status ?? 'success') };
      if (message != null) core.status_message = cleanText(message);
      this.#spans.remove(span);
      this.#scope.spanEnded();
      const all = attributes == null ? span.attributes : { ...span.attributes, ...fieldsOf(attributes) };
      return this.#record('span', core, 'attributes', all, true, this.#scope.ids(this.#scope.job, { trace: span.trace, span: span.id }));
    }, false);
  }

  /** Calls `work` in a span of its own and gives what it gives, a promise or an exception too. */
  withSpan<T>(name: string, work: (spanId: string) => T, options: SpanOptions = {}): T {
    const span = this.#safely<Span | undefined>(() => this.#start(name, options), undefined);
    const end = (error?: { cause: unknown }) => {
      if (span === undefined) return;
      if (error === undefined) this.endSpan(span.id);
      else this.endSpan(span.id, 'error', cleanText(error.cause));
    };
    return this.#spans.run(span, () => ending(() => work(span?.id ?? NO_SPAN), end));
  }

  /** A span for `using`: it ends with the block. */
  span(name: string, options: SpanOptions = {}): { readonly id: string; [Symbol.dispose](): void } {
    const id = this.startSpan(name, options);
    return { id, [Symbol.dispose]: () => void this.endSpan(id) };
  }

  /** What goes with every record from now on; null takes it out. `job_id` and `trace_id` are special. */
  setContext(key: string, value: unknown): boolean {
    return this.#safely(() => this.#scope.set(key, value), false);
  }

  /** Takes up a trace for what is outside of spans; without one it goes back to what the process inherited. */
  continueTrace(traceparent?: string): boolean {
    return this.#scope.continueTrace(traceparent);
  }

  /** W3C Trace Context of the open span, for queue items and headers; undefined outside of spans. */
  traceparent(): string | undefined {
    const { trace, span } = this.#scope.place();
    return span === '' ? undefined : `00-${trace}-${span}-01`;
  }

  /** A copy of the environment with what a child process needs to continue the trace and the job. */
  childEnv(): Record<string, string | undefined> {
    const env = { ...process.env };
    if (this.settings.disabled) return env;
    env.MONITORING_HOST = this.settings.host;
    env.MONITORING_PORT = String(this.settings.port);
    const parent = this.traceparent();
    if (parent !== undefined) env.TRACEPARENT = parent;
    if (this.#scope.job !== undefined) env.MONITORING_JOB_ID = this.#scope.job;
    return env;
  }

  /** Resolves when the kernel has everything, with `ack` when the sidecar has acknowledged it (true), or in time (false). */
  async flush(timeoutMs = 1000): Promise<boolean> {
    if (this.#link === undefined) return true;
    if (this.settings.ack !== '' && this.#link.queued > 0) this.#link.say(this.#frames.control('ping'));
    return this.#link.emptied(timeoutMs, Number.POSITIVE_INFINITY);
  }

  /** Ends open spans as `abandoned`, flushes, closes. Gives up after 0.2 s without a sidecar; idempotent. */
  close(timeoutMs = CLOSE_MS): Promise<boolean> {
    this.#closed ??= this.#finish(timeoutMs);
    return this.#closed;
  }

  /** Whether `close` was called. */
  get isClosed(): boolean {
    return this.#closed !== undefined;
  }

  stats(): Stats {
    const link = this.#link;
    const dropped = { ...noneDropped(), ...link?.dropped };
    return {
      accepted: link?.accepted ?? 0,
      sent: link?.sent ?? 0,
      queued: link?.queued ?? 0,
      dropped,
      queuedBytes: link?.queuedBytes ?? 0,
      connected: link?.up ?? false,
      connects: link?.connects ?? 0,
      unknownSpans: this.#unknownSpans,
    };
  }

  /** Flushes before the process ends by itself. Its wait lets Node.js ask again, so what failed once is not tried twice. */
  async beforeExit(): Promise<void> {
    const link = this.#link;
    if (link === undefined || this.#closed !== undefined || link.queued === 0 || link.accepted === this.#triedAt) return;
    this.#triedAt = link.accepted;
    await link.emptied(CLOSE_MS, ABSENT_MS);
  }

  async #finish(timeoutMs: number): Promise<boolean> {
    const link = this.#link;
    if (link === undefined) return true;
    for (const id of this.#spans.ids()) this.endSpan(id, 'abandoned');
    this.#isOver = true;
    if (this.settings.ack !== '') link.say(this.#frames.control('ping'));
    const flushed = await link.emptied(timeoutMs, ABSENT_MS);
    if (!flushed) this.#notice(`${link.queued} records could not be delivered`);
    if (this.settings.ack !== '') link.say(this.#frames.control('bye'));
    await link.end();
    return flushed;
  }

  /** Runs `work` so that none of it reaches the host. A record logged while one is made is counted, not sent. */
  #safely<T>(work: () => T, otherwise: T): T {
    if (this.#link === undefined) return otherwise;
    if (this.#busy) {
      this.#drop('encode');
      return otherwise;
    }
    this.#busy = true;
    try {
      return work();
    } catch {
      this.#drop('encode');
      return otherwise;
    } finally {
      this.#busy = false;
    }
  }

  #drop(why: Reason): boolean {
    return this.#link?.drop(why) ?? false;
  }

  #notice(text: string): void {
    if (this.settings.quiet) return;
    try {
      writeSync(2, `monitoring-sdk[${this.settings.source}]: ${text}\n`);
    } catch {
      // Nobody reads it.
    }
  }

  #start(name: string, { parent, traceparent, attributes }: SpanOptions): Span {
    const above = this.#spans.get(parent ?? '');
    const place = above ? { trace: above.trace, span: above.id } : (parseTraceparent(traceparent) ?? this.#scope.place());
    const core: Fields = { name: cleanText(name ?? '') };
    if (place.span !== '') core.parent_span_id = place.span;
    const trace = place.trace || newId(16);
    const id = newId(8);
    const ids = this.#scope.ids(this.#scope.jobOfNewSpan, { trace, span: id });
    this.#record('span', { phase: 'start', ...core }, 'attributes', undefined, false, ids);
    const given = attributes == null ? {} : fieldsOf(attributes);
    const span = { id, trace, core: { ...core, start_us: nowUs() }, attributes: given, startMs: performance.now(), outer: this.#spans.context() };
    this.#spans.add(span);
    return span;
  }

  /** One frame: the envelope, the members of its type, and the context merged with what the call gave. */
  #record(type: string, core: Fields, slot: string, given?: unknown, important = false, ids?: Fields): boolean {
    if (this.#isOver) return this.#drop('closed');
    let extra = this.#scope.fields;
    if (given != null) {
      const fields = fieldsOf(given);
      extra = { ...extra, ...fields };
      if (ids === undefined && fields.job_id != null) ids = this.#scope.ids(cleanText(fields.job_id));
    }
    const { beforeSend } = this.settings;
    if (beforeSend !== undefined) {
      const kept = edited(beforeSend, type, core, slot, extra);
      if (kept === undefined) return true;
      [core, extra] = kept;
    }
    return this.#offer(type, ids ?? this.#scope.ids(this.#scope.job), core, slot, extra, important);
  }

  #offer(type: string, ids: Fields, core: Fields, slot: string, extra: Fields, important: boolean): boolean {
    const link = this.#link as Link;
    const seq = this.settings.ack === '' ? undefined : link.seq + 1;
    const frame = this.#frames.record(type, ids, core, slot, extra, seq);
    if (frame === undefined) return link.drop('oversize');
    const kept = link.offer(frame, important);
    const { loss } = link;
    link.loss = undefined;
    if (loss !== undefined) this.#record('sdk', { dropped: { ...loss } }, 'context');
    return kept;
  }
}
