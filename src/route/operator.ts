import type { MonoTypeOperatorFunction } from 'rxjs';
import type { ZodType } from 'zod';
import type { Context } from '../context.ts';
import type { Message } from '../message.ts';

/** What a filter operator from `pipelines/` is given besides its options. */
export interface OperatorContext extends Context {
  /** The operator's name in the configuration (its file's name without `.ts`). */
  readonly name: string;
  /**
   * Registers the number of messages that the operator holds back for later (a gauge, read often, O(1)).
   * Without it, a message that does not come out while its batch goes in counts as filtered by this operator.
   */
  holding(count: () => number): void;
}

/**
 * A stream-to-stream filter: `(options, context) => message$ => message$`. State lives inside the returned
 * function only. It may drop, delay, reorder and replace messages (`withData`); it must complete when its
 * input completes, emitting what it still holds. A throw costs one message, and the operator starts afresh.
 */
export interface Operator<Options extends object = object> {
  (options: Options, context: OperatorContext): MonoTypeOperatorFunction<Message>;
  /** Checks and defaults the options that a rule writes beside `use:`; absent: the operator takes none. */
  options?: ZodType<Options>;
}
