import type { BackendConfig, Config } from '../config/schema.ts';
import type { Context } from '../context.ts';
import type { Sink, SinkContext, SinkDefinition } from '../deliver/sink.ts';
import { compile } from '../route/plan.ts';
import type { Draft } from './draft.ts';

/** Throws `Error` if the configuration could not run. Opens its backends without sending, and closes them. */
export function dryRun(
  draft: Draft,
  definitions: ReadonlyMap<string, SinkDefinition>,
  dataDir: string,
  context: Context,
): void {
  const sinks = new Map<string, Sink>();
  try {
    for (const [backend, section] of usedBackends(draft.config)) {
      sinks.set(backend, openSink(backend, section, definitions, { ...context, backend, dataDir }));
    }
    compile(draft.config, { ...draft, sinks, previous: undefined }, context);
  } finally {
    for (const sink of sinks.values()) sink.close().subscribe();
  }
}

/** Opens one backend; throws `Error` where it cannot. */
export function openSink(
  backend: string,
  { type, options }: BackendConfig,
  definitions: ReadonlyMap<string, SinkDefinition>,
  context: SinkContext,
): Sink {
  const definition = definitions.get(type);
  if (definition === undefined) throw new Error(`backends.${backend}: there is no type "${type}"`);
  return definition.open(options, context);
}

/** Backends that an enabled rule sends to: only those are opened. */
export function usedBackends({ routing, backends }: Config): readonly (readonly [string, BackendConfig])[] {
  const used = new Set(
    Object.values(routing).flatMap((rules) => rules.flatMap((rule) => (rule.enabled ? rule.backend : []))),
  );
  return Object.entries(backends).filter(([name]) => used.has(name));
}
