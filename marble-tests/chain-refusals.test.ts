import { describe, expect, test } from '@jest/globals';
import { EMPTY, Observable } from 'rxjs';
import { z } from 'zod';
import type { Operator } from '../src/route/operator.ts';
import { build, pass } from '../test/route/chain-trial.ts';
import { use } from '../test/route/support.ts';

describe('an operator that cannot work is refused by name', () => {
  const refused = (operator: unknown, options: object = {}) => {
    try {
      build([use('bad', operator as Operator, options)]);
    } catch (error) {
      return error;
    }
    return undefined;
  };

  test.each([
    {
      what: 'undefined',
      operator: () => undefined,
      text: 'returned undefined where it owes a function of the',
    },
    {
      what: 'a stream',
      operator: () => EMPTY,
      text: 'returned an Observable where it owes a function of the',
    },
    {
      what: 'no stream',
      operator: () => () => 7,
      text: 'made a number of the message stream where it owes an Obs',
    },
    {
      what: 'a promise',
      operator: async () => () => EMPTY,
      text: 'returned an object where it owes a function of the',
    },
  ])('one that returns $what', ({ operator, text }) => {
    const error = refused(operator);
    expect(error).toBeInstanceOf(TypeError);
    expect((error as Error).message).toContain(`/pipelines/bad.ts: ${text}`);
  });

  test('one that throws, at once or on the stream', () => {
    const boom = () => {
      throw new Error('boom');
    };
    for (const operator of [boom, () => boom]) {
      expect(refused(operator)).toEqual(new TypeError('/pipelines/bad.ts: cannot be built: boom'));
    }
  });

  test('one that gets options that it does not take', () => {
    expect(refused(pass, { rate: 1, by: 2 })).toEqual(
      new TypeError('/pipelines/bad.ts: takes no options, but got rate, by'),
    );
    const picky: Operator<{ rate: number }> = () => (message$) => message$;
    picky.options = z.strictObject({ rate: z.number() });
    const error = refused(picky, { rate: 'much', what: 1 });
    expect(error).toBeInstanceOf(TypeError);
    const { message } = error as Error;
    expect(message).toContain('/pipelines/bad.ts: options that it does not take: ');
    expect(message).toContain('rate');
  });

  test('without a subscription left behind', () => {
    let subscribed = 0;
    const eager: Operator = () => () =>
      new Observable(() => {
        subscribed++;
      });
    build([use('eager', eager)]);
    expect(subscribed).toBe(0);
  });

  test('and gets its options with their defaults otherwise', () => {
    const seen: unknown[] = [];
    const defaulted: Operator<{ rate: number }> = (options) => {
      seen.push(options);
      return (message$) => message$;
    };
    defaulted.options = z.strictObject({ rate: z.number().default(7) });
    build([use('defaulted', defaulted)]);
    expect(seen).toEqual([{ rate: 7 }]);
  });
});
