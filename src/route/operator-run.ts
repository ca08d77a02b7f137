import { inspect } from 'node:util';
import { isObservable, type Observable, type SchedulerAction, type SchedulerLike, Subscription } from 'rxjs';
import type { Context } from '../context.ts';
import type { Message } from '../message.ts';
import { createInput } from './contained.ts';
import type { LoadedOperator } from './load-operators.ts';
import type { OperatorContext } from './operator.ts';

/** One life of an operator, from its construction to its first error, its completion or its stop. */
export interface OperatorRun {
  /** Subscribes. An operator that nobody feeds has no timers. */
  start(): void;
  next(message: Message): void;
  complete(): void;
  /** How many messages it says that it holds; `undefined` if it does not say. */
  holding(): number | undefined;
  stop(): void;
}

/** What a run reports; after `failed`, `completed` or `stop` nothing more. */
export interface RunEvents {
  readonly emitted: (message: Message) => void;
  readonly failed: (error: unknown) => void;
  readonly completed: () => void;
  /** Runs what the operator had scheduled. */
  readonly turn: (work: () => void) => void;
}

/** Builds an operator with checked options. Throws TypeError, naming its file, if it cannot be built. */
export function createRun(
  { name, file, operator }: LoadedOperator,
  options: object,
  context: Context,
  events: RunEvents,
): OperatorRun {
  const subscription = new Subscription();
  let count: (() => number) | undefined;

  const fail = (error: unknown) => {
    if (!subscription.closed) events.failed(error);
  };
  const guard = (work: () => void) => {
    try {
      work();
    } catch (error) {
      fail(error);
    }
  };
  const scheduler: SchedulerLike = {
    now: () => context.scheduler.now(),
    schedule: <T>(work: (this: SchedulerAction<T>, state: T) => void, delayMs = 0, state?: T) =>
      context.scheduler.schedule<T>(
        function (each) {
          events.turn(() => guard(() => work.call(this, each as T)));
        },
        delayMs,
        state,
      ),
  };
  const input = createInput<Message>(fail);
  const holding: OperatorContext['holding'] = (gauge) => {
    count = gauge;
  };
  const operatorContext: OperatorContext = { ...context, name, scheduler, holding };
  const out$ = build(file, () => operator(options, operatorContext), input.value$);

  return {
    start: () =>
      guard(() => {
        subscription.add(out$.subscribe({ next: events.emitted, error: fail, complete: events.completed }));
      }),
    next: (message) => input.next(message),
    complete: () => input.complete(),
    holding() {
      try {
        return count?.();
      } catch (error) {
        fail(error);
        return 0;
      }
    },
    stop() {
      guard(() => subscription.unsubscribe());
    },
  };
}

function build(file: string, construct: () => unknown, message$: Observable<Message>): Observable<Message> {
  const operate = call(file, construct);
  if (typeof operate !== 'function') {
    const owed = 'a function of the message stream: (options, context) => (message$) => message$.pipe(…)';
    throw new TypeError(`${file}: returned ${kindOf(operate)} where it owes ${owed}`);
  }
  const out$ = call(file, () => operate(message$));
  if (!isObservable(out$)) {
    throw new TypeError(`${file}: made ${kindOf(out$)} of the message stream where it owes an Observable`);
  }
  return out$ as Observable<Message>;
}

function call(file: string, construct: () => unknown): unknown {
  try {
    return construct();
  } catch (error) {
    throw new TypeError(`${placeOf(error, [file]) ?? file}: cannot be built: ${textOf(error)}`, {
      cause: error,
    });
  }
}

/** `file:line` of the first of the user's files in an error's stack; columns are those of the compiled text. */
export function placeOf(error: unknown, paths: readonly string[]): string | undefined {
  const stack = typeof error === 'object' && error !== null && 'stack' in error ? String(error.stack) : '';
  const places = paths.flatMap((path) => {
    const at = stack.indexOf(`${path}:`);
    const [line] = at === -1 ? [] : (/^:\d+/.exec(stack.slice(at + path.length)) ?? []);
    return line === undefined ? [] : [{ at, place: path + line }];
  });
  return places.sort((a, b) => a.at - b.at)[0]?.place;
}

/** The message of whatever was thrown. */
export function textOf(error: unknown): string {
  const hasMessage = typeof error === 'object' && error !== null && 'message' in error;
  return hasMessage && typeof error.message === 'string' ? error.message : inspect(error, { depth: 0 });
}

const MAX_FAULT_LENGTH = 1000;

/** What went wrong, in at most 1,000 characters, for log lines and dead letters: an operator may throw a record. */
export function faultOf(error: unknown): string {
  const text = textOf(error);
  return text.length > MAX_FAULT_LENGTH ? `${text.slice(0, MAX_FAULT_LENGTH)}…` : text;
}

/** `undefined`, `a string`, `an Observable` …, for error messages. */
export function kindOf(value: unknown): string {
  if (value === undefined || value === null) return String(value);
  if (isObservable(value)) return 'an Observable';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
