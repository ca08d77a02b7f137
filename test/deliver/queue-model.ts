import type { Job } from '../../src/deliver/job.ts';
import type { Queue, QueueOptions } from '../../src/deliver/queue.ts';
import type { Message } from '../../src/message.ts';
import { type DeliveryFields, delivery, numbersOf } from './fixtures.ts';

const RANK: Record<string, number> = { progress: 0, resource: 1, metric: 2, span: 3 };

interface Waiting {
  job: Omit<Job, 'batch'> & { readonly reason: string };
  messages: readonly Message[];
  retryAtMs: number;
}

const bytesOf = (messages: readonly Message[]) => messages.reduce((sum, { bytes }) => sum + bytes, 0);
const compare = (a: Waiting, b: Waiting) => a.job.priority - b.job.priority || a.job.order - b.job.order;

/** The queue as its documentation says it, in plain arrays and without a thought for speed. */
export function createModel({ merge, maxAgeMs, perTarget = 1, isCritical }: QueueOptions) {
  let waiting: Waiting[] = [];
  let out: string[] = [];
  const known = new Set<string>();
  let order = 0;
  let patient = true;

  const lineOf = ({ job }: Waiting) =>
    waiting.filter(
      ({ job: other }) => other.priority === job.priority && other.target.key === job.target.key,
    );

  const isBusy = (key: string) => {
    const most = known.size > 1 && perTarget > 1 ? perTarget - 1 : perTarget;
    return out.filter((other) => other === key).length >= most;
  };
  const release = (key: string) => {
    out = out.toSpliced(out.indexOf(key), 1);
  };

  const isDue = (head: Waiting, nowMs: number) => {
    if (head.retryAtMs > 0) return head.retryAtMs <= nowMs;
    const line = lineOf(head);
    const all = line.flatMap(({ messages }) => messages);
    const urgent = line.some(({ job }) => job.reason === 'critical');
    const full = all.length >= merge.maxMessages || bytesOf(all) >= merge.maxBytes;
    const waits = patient && maxAgeMs > 0 && !urgent && !full && head.job.sends === 0;
    return !waits || head.job.offeredMs + maxAgeMs <= nowMs;
  };

  const runOf = (head: Waiting) => {
    const run: Waiting[] = [];
    for (const next of lineOf(head)) {
      const all = [...run, next].flatMap(({ messages }) => messages);
      const fits = all.length <= merge.maxMessages && bytesOf(all) <= merge.maxBytes;
      const alike = next.job.sends === 0 && head.job.sends === 0 && next.job.whenFull === head.job.whenFull;
      if (run.length > 0 && !(fits && alike)) break;
      run.push(next);
    }
    return run;
  };

  const shedRank = (wanted: number, rankOf: (message: Message) => number | undefined) => {
    const shed: number[] = [];
    let freed = 0;
    const priorities = [...new Set(waiting.map(({ job }) => job.priority))].sort((a, b) => b - a);
    for (const priority of priorities) {
      for (let rank = 0; rank <= 4; rank++) {
        for (const entry of waiting) {
          if (entry.job.priority !== priority || entry.job.whenFull === 'block') continue;
          entry.messages = entry.messages.filter((message) => {
            if (freed >= wanted || rankOf(message) !== rank) return true;
            freed += message.bytes;
            shed.push(...numbersOf([message]));
            return false;
          });
        }
      }
    }
    waiting = waiting.filter(({ messages }) => messages.length > 0);
    return shed;
  };

  const heads = () => waiting.filter((entry) => !isBusy(entry.job.target.key) && lineOf(entry)[0] === entry);

  const take = (head: Waiting | undefined) => {
    if (head === undefined) return undefined;
    const run = runOf(head);
    out.push(head.job.target.key);
    known.add(head.job.target.key);
    waiting = waiting.filter((entry) => !run.includes(entry));
    return numbersOf(run.flatMap(({ messages }) => messages));
  };

  return {
    add: (messages: readonly Message[], fields: DeliveryFields, nowMs: number) => {
      const { batch, target, priority, whenFull } = delivery(messages, fields);
      const job = { target, priority, whenFull, offeredMs: nowMs, order: order++, sends: 0, failures: 0 };
      waiting.push({ job: { ...job, reason: batch.reason }, messages, retryAtMs: 0 });
    },
    take: (nowMs: number) =>
      take(
        heads()
          .filter((entry) => isDue(entry, nowMs))
          .sort(compare)[0],
      ),
    takeProbe: (nowMs: number) =>
      take(
        heads()
          .filter((entry) => entry.job.sends > 0 || isDue(entry, nowMs))
          .sort((a, b) => a.job.failures - b.job.failures || compare(a, b))[0],
      ),
    release,
    putBack: (jobs: readonly Job[], retryAtMs: number) => {
      const back = jobs.map((job) => ({
        job: { ...job, reason: job.batch.reason },
        messages: job.batch.messages,
        retryAtMs,
      }));
      waiting.unshift(...back);
      release(jobs[0]!.target.key);
    },
    setPatient: (on: boolean) => {
      patient = on;
    },
    retryNow: () => {
      for (const entry of waiting) entry.retryAtMs = 0;
    },
    shed: (wanted: number) => shedRank(wanted, (m) => (isCritical(m) ? undefined : (RANK[m.type] ?? 4))),
    shedCritical: (wanted: number) => shedRank(wanted, (m) => (isCritical(m) ? 0 : undefined)),
    clear: () => {
      const all = waiting.flatMap(({ messages }) => numbersOf(messages));
      waiting = [];
      return all;
    },
    /** What the queue's gauges must show. */
    gauges: () => {
      const all = waiting.flatMap(({ messages }) => messages);
      const blocking = waiting.filter(({ job }) => job.whenFull === 'block');
      const offered = waiting.map(({ job }) => job.offeredMs);
      return {
        messages: all.length,
        bytes: bytesOf(all),
        blockingBytes: bytesOf(blocking.flatMap(({ messages }) => messages)),
        oldestMs: offered.length === 0 ? undefined : Math.min(...offered),
      };
    },
  };
}

export function gaugesOf(queue: Queue) {
  const { messages, bytes, blockingBytes } = queue;
  return { messages, bytes, blockingBytes, oldestMs: queue.oldestMs() };
}
