import type { Context } from '../context.ts';
import type { Ending } from '../deliver/outcome.ts';
import type { Message } from '../message.ts';
import { createAccount } from './account.ts';
import { isMessage } from './is-message.ts';
import type { LoadedOperator } from './load-operators.ts';
import { createRun, faultOf, kindOf, type OperatorRun } from './operator-run.ts';

/** An operator in its place in a chain: contained, restarted and counted. */
export interface Link {
  push(message: Message): void;
  /** Completes the operator's input; `done` is called once it has flushed. */
  complete(): void;
  /** Accounts for what the operator dropped of its own accord. Called at the end of every turn. */
  settle(): void;
  /** Stops the operator for good; what it holds is shed. */
  shed(): void;
  held(): number;
}

/** What a link tells its chain. */
export interface LinkEvents {
  readonly emitted: (message: Message) => void;
  /** `error`: what went wrong with it, if something did. */
  readonly ended: (ending: Ending, reason: string, message: Message, error?: string) => void;
  readonly added: (count: number) => void;
  readonly done: () => void;
  /** Runs `work` as a turn of the chain, or as part of the one that runs. */
  readonly turn: (work: () => void) => void;
  readonly isTurn: () => boolean;
}

/** More messages of an operator's own for one that went in are taken for a loop. */
const MAX_ADDED = 10_000;
/** After so long without a failure the next one is news. */
const QUIET_MS = 60_000;

/**
 * Builds the operator once, so that one that cannot be built throws TypeError here; subscribes with the first message.
 *
 * States: open (runs; after an error it is built afresh for the next message) → ended (completed of its own
 * accord: nothing passes) or flushing (input complete) → closed.
 */
export function createLink(
  loaded: LoadedOperator,
  options: object,
  context: Context,
  events: LinkEvents,
): Link {
  const { name, file } = loaded;
  const { failure, end, late } = createReports(loaded, context);
  let state: 'open' | 'ended' | 'flushing' | 'closed' = 'open';
  let run: OperatorRun | undefined;
  let isStarted = false;
  let input: Message | undefined;
  /** What went wrong since `settle`. */
  let fault: string | undefined;

  const dropped = (message: Message) => {
    if (state === 'ended') events.ended('filtered', `operator_ended:${name}`, message);
    else if (fault !== undefined) events.ended('dead_lettered', 'operator_failed', message, fault);
    else events.ended('filtered', `operator:${name}`, message);
  };
  const account = createAccount({ dropped, added: events.added, late });

  const stop = () => {
    const stopped = run;
    run = undefined;
    stopped?.stop();
  };

  const close = () => {
    state = 'closed';
    stop();
    events.done();
  };

  const failed = (error: unknown) => {
    const what = faultOf(error);
    fault = `${file}: ${what}`;
    failure(`failed: ${what}; what it fails on is dead-lettered and it starts afresh`);
    stop();
    account.abandon((message) => events.ended('dead_lettered', `operator_restart:${name}`, message, fault));
    if (state === 'flushing') close();
  };

  const completed = () => {
    if (state === 'flushing') return close();
    state = 'ended';
    end();
    stop();
  };

  const forward = (message: Message) => {
    if (message === undefined || (message !== input && !isMessage(message))) {
      const what = `emitted ${kindOf(message)} that is no message; use withData to change one`;
      fault = `${file}: ${what}`;
      failure(what);
      return;
    }
    const added = account.emitted(message);
    if (added <= MAX_ADDED || input === undefined) return events.emitted(message);
    failed(new Error(`made over ${MAX_ADDED} messages of one`));
    events.ended('dead_lettered', 'operator_failed', message, fault);
  };

  const build = () => {
    isStarted = false;
    return createRun(loaded, options, context, {
      // Outside a turn: the operator has timers beside `context.scheduler`.
      emitted: (message) => (events.isTurn() ? forward(message) : events.turn(() => forward(message))),
      failed: (error) => events.turn(() => failed(error)),
      completed: () => events.turn(completed),
      turn: events.turn,
    });
  };

  /** Starts what is built, or builds it afresh. */
  const start = () => {
    try {
      run ??= build();
      isStarted = true;
      run.start();
    } catch (error) {
      failed(error);
    }
  };

  const settle = () => {
    account.settle(run?.holding());
    fault = undefined;
  };

  run = build();
  return {
    settle,
    push(message) {
      if (state === 'open' && !(run !== undefined && isStarted)) start();
      input = message;
      account.enter(message);
      run?.next(message);
      settle();
      input = undefined;
    },
    complete() {
      if (state !== 'open' || run === undefined || !isStarted) return close();
      state = 'flushing';
      run.complete();
    },
    shed() {
      state = 'closed';
      stop();
      account.abandon((message) => events.ended('shed', 'drain_deadline', message));
    },
    held: account.held,
  };
}

/** Counts failures, and logs the first one of a state: not each of a row. */
function createReports({ name, file }: LoadedOperator, { log, counters, scheduler }: Context) {
  let failedMs = Number.NEGATIVE_INFINITY;
  return {
    failure(what: string) {
      counters.operatorFailed(file);
      const nowMs = scheduler.now();
      const isNews = Math.abs(nowMs - failedMs) >= QUIET_MS;
      failedMs = nowMs;
      if (isNews) log.error({ operator: name, file }, `operator ${file} ${what}`);
    },
    late() {
      const what = 'gives back messages that had counted as filtered: they have to be registered';
      log.warn({ operator: name, file }, `operator ${file} ${what}, with context.holding or countHeld`);
    },
    end() {
      counters.operatorFailed(file);
      const what = 'completed while its input goes on; until it is reloaded its messages are filtered';
      log.error({ operator: name, file }, `operator ${file} ${what}`);
    },
  };
}
