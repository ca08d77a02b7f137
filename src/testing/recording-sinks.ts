import { EMPTY, type Observable } from 'rxjs';
import type { Batch } from '../batch.ts';
import type { MergeLimits, Sink, SinkContext, SinkDefinition, Target } from '../deliver/sink.ts';

/** Answers a send in a backend's place. */
export type Send = (backend: string, batch: Batch, target: Target) => Observable<unknown>;

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
  return {
    ...definition,
    open: (settings, context) => {
      const real = definition.open(settings, context);
      return {
        merge: limitsOf(real),
        ...(real.sendsPerTarget !== undefined && { sendsPerTarget: real.sendsPerTarget }),
        address: real.address,
        send: (batch, target) => send(context.backend, batch, target),
        close: () => {
          close(real, context);
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
