import { map, type OperatorFunction, pipe } from 'rxjs';
import { keepDefined } from './keep-defined.ts';

/**
 * `map` in which a throw costs one value: `onError` is told of it and the stream goes on. `undefined` drops the
 * value. A throw of `onError` itself is a stream error.
 */
export const attempt = <T, R>(
  fn: (value: T) => R | undefined,
  onError: (error: unknown, value: T) => void,
): OperatorFunction<T, R> =>
  pipe(
    map((value) => {
      try {
        return fn(value);
      } catch (error) {
        onError(error, value);
        return undefined;
      }
    }),
    keepDefined(),
  );
