import { EMPTY, type Observable } from 'rxjs';
import { z } from 'zod';
import type { Batch } from '../../src/batch.ts';
import type { Config } from '../../src/config/schema.ts';
import type { Context } from '../../src/context.ts';
import type { Routed } from '../../src/deliver/outcome.ts';
import type { Address, Sink, SinkDefinition, Target } from '../../src/deliver/sink.ts';
import type { LoadedOperator } from '../../src/route/load-operators.ts';
import type { Operator } from '../../src/route/operator.ts';
import { compile, type Plan } from '../../src/route/plan.ts';
import { configOf } from '../config/support.ts';
import { namesOf } from './support.ts';

export type Send = (batch: Batch, target: Target) => Observable<unknown>;

/** An open sink: `path` may hold `{type}`, a target a type; `bad` is refused. */
export function sinkOf(send: Send = () => EMPTY, close: () => Observable<never> = () => EMPTY): Sink {
  const address = (overrides: { path?: string }): Address => {
    const { path = 't' } = overrides;
    if (path === 'bad') throw new Error('path "bad" is bad');
    return {
      perMessage: path.includes('{type}'),
      target: ({ type }) => ({ key: path.replace('{type}', type) }),
    };
  };
  return { merge: { maxMessages: 1000, maxBytes: 1e6 }, address, send, close };
}

/** The type `rec` of backends, with what each was asked. `open` makes the sinks. */
export const typesOf = (open: NonNullable<SinkDefinition['open']> = () => sinkOf()) =>
  new Map<string, SinkDefinition>([
    [
      'rec',
      {
        options: z.strictObject({ x: z.string().optional() }),
        overrides: z.strictObject({ path: z.string().optional() }),
        open,
      },
    ],
  ]);

/** Operators as if loaded from files; the name tells the code. */
export const loaded = (operators: Readonly<Record<string, Operator>>): ReadonlyMap<string, LoadedOperator> =>
  new Map(
    Object.entries(operators).map(([name, operator]) => [
      name,
      { name, file: `/pipelines/${name}.ts`, hash: name, operator },
    ]),
  );

/** A configuration of backends a, b and c, of type `rec`, with these rules and settings. */
export const routing = (rules: Readonly<Record<string, readonly object[]>>, settings: object = {}): Config =>
  configOf(
    JSON.stringify({
      backends: { a: { type: 'rec' }, b: { type: 'rec' }, c: { type: 'rec' } },
      ...settings,
      routing: rules,
    }),
    { sinks: typesOf() },
  );

export interface PlanOptions {
  readonly previous?: Plan | undefined;
  readonly operators?: Readonly<Record<string, Operator>>;
}

export const planOf = (
  config: Config,
  context: Context,
  { previous, operators = {} }: PlanOptions = {},
): Plan =>
  compile(
    config,
    {
      hash: '',
      sinks: new Map(Object.keys(config.backends).map((name) => [name, sinkOf()])),
      operators: loaded(operators),
      previous,
    },
    context,
  );

/** `a t xyz` for a delivery, `a filtered filter xyz` for an outcome. */
export const showRouted = (routed: Routed): string =>
  routed.kind === 'delivery'
    ? `${routed.backend} ${routed.target.key} ${namesOf(routed.batch.messages)}`
    : `${routed.backend} ${routed.ending} ${routed.reason} ${namesOf(routed.messages)}`;
