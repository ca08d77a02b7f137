import { EMPTY, type Observable } from 'rxjs';
import { z } from 'zod';
import type { Batch } from '../batch.ts';
import type { Address, MergeLimits, Sink, SinkContext, SinkDefinition, Target } from '../deliver/sink.ts';
import type { Message } from '../message.ts';
import { compileTemplate } from '../sinks/naming/template.ts';

/** Answers a send in a backend's place. */
export type Send = (backend: string, batch: Batch, target: Target) => Observable<unknown>;

const NO_LIMITS: MergeLimits = {
  maxMessages: Number.POSITIVE_INFINITY,
  maxBytes: Number.POSITIVE_INFINITY,
};

/**
 * The types of backends with `send` in the place of their own sending: options, targets and limits stay theirs, but
 * not how long they wait for company of their own accord: that is their tuning. Nothing leaves the process.
 */
export const recordingSinks = (
  definitions: ReadonlyMap<string, SinkDefinition>,
  send: Send,
): ReadonlyMap<string, SinkDefinition> =>
  new Map([...definitions].map(([type, definition]) => [type, recordingSink(definition, send)]));

function recordingSink(definition: SinkDefinition, send: Send): SinkDefinition {
  const { options, overrides, open } = definition;
  return {
    options,
    overrides,
    open: (settings, context) => {
      const real = open?.(settings, context);
      return {
        merge: real === undefined ? NO_LIMITS : limitsOf(real),
        ...(real?.sendsPerTarget !== undefined && { sendsPerTarget: real.sendsPerTarget }),
        address: (config) => real?.address(config) ?? addressOf(definition, { ...settings, ...config }),
        send: (batch, target) => send(context.backend, batch, target),
        close: () => {
          if (real !== undefined) close(real, context);
          return EMPTY;
        },
      };
    },
  };
}

const limitsOf = ({ merge: { maxMessages, maxBytes } }: Sink): MergeLimits => ({ maxMessages, maxBytes });

/** Not waited for: it may take real time. */
function close(sink: Sink, { log, backend }: SinkContext): void {
  sink.close().subscribe({
    error: (error: unknown) =>
      log.warn({ backend, error: String(error) }, 'The backend did not close cleanly'),
  });
}

/** An address for a type that cannot be opened yet: what a rule may override, as `key=value`, fields replaced. */
function addressOf({ overrides }: SinkDefinition, settings: object): Address {
  const keys = overrides instanceof z.ZodObject ? Object.keys(overrides.shape) : [];
  const values = new Map(Object.entries(settings));
  const parts = keys
    .filter((key) => values.get(key) !== undefined)
    .map((key) => ({ key, template: compileTemplate(String(values.get(key))) }));
  const targets = new Map<string, Target>();
  const target = (message: Message): Target => {
    const key = parts.map((part) => `${part.key}=${part.template.render(message)}`).join(' ');
    const found = targets.get(key) ?? { key };
    targets.set(key, found);
    return found;
  };
  return { perMessage: parts.some(({ template }) => template.perMessage), target };
}
