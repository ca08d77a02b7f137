import { createHash } from 'node:crypto';
import { Observable } from 'rxjs';
import { prettifyError } from 'zod';
import type { Batch } from '../batch.ts';
import type { BatchReason, Context } from '../context.ts';
import { createLedger, type Destination } from './ledger.ts';
import { createLink, type Link, type LinkEvents } from './link.ts';
import type { LoadedOperator } from './load-operators.ts';

/** One of a rule's operators, with the options as the configuration has them. */
export interface ChainOperator {
  readonly loaded: LoadedOperator;
  readonly options: object;
}

export interface ChainSpec {
  /** In the order in which messages pass them. */
  readonly operators: readonly ChainOperator[];
  /** For which backend outcomes count. */
  readonly backend: string;
  /** Whose operators they are, such as `routing.billing[0]`: tells equal chains apart. */
  readonly rule: string;
}

/**
 * A rule's operators as one. Every message that goes in comes out in a batch, or has an outcome, or is held:
 * in + added = out + filtered + dead-lettered + shed + held, at the end of every synchronous turn.
 */
export interface Chain {
  /** Equal for equal code and options: a chain may then stand for another, with what it holds. */
  readonly fingerprint: string;
  /** From now on results go to `destination`, and no longer to the one before. */
  attach(destination: Destination): void;
  /** Runs a batch through. What comes out at once is one batch, the identical one if nothing was changed. */
  push(batch: Batch): void;
  /** Messages inside. */
  held(): number;
  /**
   * On subscription the input completes, so that each operator flushes into the next; completes when all have.
   * What is not out after `withinMs`, or when it is unsubscribed, is shed as `drain_deadline`. Once only.
   */
  drain(withinMs: number): Observable<never>;
}

/** Builds a chain. Throws TypeError, naming the file, for options or an operator that cannot work. */
export function createChain({ operators, backend, rule }: ChainSpec, context: Context): Chain {
  const ledger = createLedger(backend, context.counters);
  let destination: Destination = () => {};
  let isTurn = false;
  let isDrained = false;
  let onDrained = () => {};

  const turn = (work: () => void, reason: BatchReason, input?: Batch) => {
    if (isTurn) return work();
    isTurn = true;
    try {
      work();
      for (const link of links) link.settle();
    } finally {
      isTurn = false;
    }
    ledger.flush(destination, reason, input);
    if (isDrained) onDrained();
  };
  const done = () => {
    isDrained = true;
  };
  const links = connect(operators, context, {
    emitted: ledger.emit,
    ended: ledger.end,
    added: ledger.add,
    turn: (work) => turn(work, 'age'),
    isTurn: () => isTurn,
    done,
  });
  const push = links[0]?.push ?? ledger.emit;
  const complete = links[0]?.complete ?? done;
  const pushAll = (batch: Batch) => {
    for (const message of batch.messages) push(message);
  };
  const shedAll = () => {
    for (const link of links) link.shed();
  };

  return {
    fingerprint: fingerprintOf({ operators, backend, rule }),
    attach(next) {
      destination = next;
    },
    push: (batch) => turn(() => pushAll(batch), batch.reason, batch),
    held: () => links.reduce((sum, link) => sum + link.held(), 0),
    drain: (withinMs) =>
      new Observable((subscriber) => {
        const shed = () => turn(shedAll, 'flush');
        const deadline = () => {
          shed();
          subscriber.complete();
        };
        onDrained = () => subscriber.complete();
        subscriber.add(shed);
        subscriber.add(context.scheduler.schedule(deadline, withinMs));
        turn(complete, 'flush');
      }),
  };
}

/** Builds the links from the last to the first, each emitting into the one after it. */
function connect(operators: readonly ChainOperator[], context: Context, last: LinkEvents): readonly Link[] {
  const links: Link[] = [];
  let events = last;
  for (const { loaded, options } of operators.toReversed()) {
    const link = createLink(loaded, parse(loaded, options), context, events);
    links.unshift(link);
    events = { ...last, emitted: link.push, done: link.complete };
  }
  return links;
}

function parse({ file, operator }: LoadedOperator, options: object): object {
  if (operator.options === undefined) {
    const names = Object.keys(options);
    if (names.length === 0) return options;
    throw new TypeError(`${file}: takes no options, but got ${names.join(', ')}`);
  }
  const parsed = operator.options.safeParse(options);
  if (parsed.success) return parsed.data;
  throw new TypeError(`${file}: options that it does not take: ${prettifyError(parsed.error)}`);
}

function fingerprintOf({ operators, backend, rule }: ChainSpec): string {
  const uses = operators.map(({ loaded, options }) => [loaded.name, loaded.hash, options]);
  return createHash('sha256')
    .update(JSON.stringify([rule, backend, uses]))
    .digest('hex');
}
