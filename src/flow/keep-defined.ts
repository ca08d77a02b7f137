import { filter, type OperatorFunction } from 'rxjs';

/** Passes every value but `undefined`. */
export const keepDefined = <T>(): OperatorFunction<T | undefined, T> =>
  filter((value): value is T => value !== undefined);
