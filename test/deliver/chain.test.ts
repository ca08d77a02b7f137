import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { append, type Chain, createChain, type Link, prepend, unlink } from '../../src/flow/chain.ts';

function forwards<T>(chain: Chain<T>): T[] {
  const values: T[] = [];
  for (let at = chain.first; at !== undefined; at = at.after) values.push(at.value);
  return values;
}

function backwards<T>(chain: Chain<T>): T[] {
  const values: T[] = [];
  for (let at = chain.last; at !== undefined; at = at.before) values.push(at.value);
  return values;
}

describe('chain', () => {
  test('a new chain is empty', () => {
    expect(forwards(createChain())).toEqual([]);
    expect(backwards(createChain())).toEqual([]);
  });

  test('equals an array under any appends, prepends and removals', () => {
    const step = fc.oneof(
      fc.constant({ kind: 'append' as const }),
      fc.constant({ kind: 'prepend' as const }),
      fc.record({ kind: fc.constant('unlink' as const), at: fc.nat() }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const chain = createChain<number>();
        const links = new Map<number, Link<number>>();
        let model: number[] = [];
        steps.forEach((action, n) => {
          if (action.kind === 'append') {
            links.set(n, append(chain, n));
            model.push(n);
          } else if (action.kind === 'prepend') {
            links.set(n, prepend(chain, n));
            model.unshift(n);
          } else if (model.length > 0) {
            const value = model[action.at % model.length]!;
            unlink(chain, links.get(value)!);
            model = model.filter((other) => other !== value);
          }
          expect(forwards(chain)).toEqual(model);
          expect(backwards(chain)).toEqual(model.toReversed());
        });
      }),
    );
  });

  test('a link that was taken out holds on to nothing', () => {
    const chain = createChain<string>();
    append(chain, 'a');
    const link = append(chain, 'b');
    append(chain, 'c');
    unlink(chain, link);
    expect([link.before, link.after]).toEqual([undefined, undefined]);
  });
});
