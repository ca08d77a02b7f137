import { isatty, WriteStream } from 'node:tty';
import { EMPTY } from 'rxjs';
import { z } from 'zod';
import { type Batch, ndjsonOf } from '../batch.ts';
import type { Sink, SinkContext, SinkDefinition } from '../deliver/sink.ts';
import { jsonOf, type Message } from '../message.ts';
import { severityOf } from '../severity.ts';
import { visibleJson } from '../visible.ts';
import { lineOf } from './console/line.ts';
import { output } from './console/output.ts';
import { colours, type Paint, plain } from './console/paint.ts';
import { abortable } from './tasks/abortable.ts';

const options = z.strictObject({
  format: z
    .enum(['auto', 'human', 'json'])
    .default('auto')
    .describe('`human`: one readable line a message; `json`: JSON Lines; `auto`: `human` on a terminal.'),
  level: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal'])
    .optional()
    .describe(
      'Events below this level are taken but not shown. Use a rule’s `filter` to count them as filtered.',
    ),
  stream: z.enum(['stdout', 'stderr']).default('stdout').describe('Where to print.'),
});

const overrides = z.strictObject({});

type Options = z.output<typeof options>;

/** Shows messages where the sidecar was started. Nothing a sender wrote can control the terminal. */
const consoleSink: SinkDefinition<Options> = { options, overrides, open };
export default consoleSink;

/** Where the sink prints: a descriptor, and what stands behind it. */
interface Screen {
  readonly fd: number;
  readonly terminal: boolean;
  readonly colour: boolean;
}

function open(settings: Options, context: SinkContext): Sink {
  const fd = settings.stream === 'stdout' ? 1 : 2;
  const terminal = isatty(fd);
  // The method reads NO_COLOR, FORCE_COLOR and TERM, and nothing of a stream.
  const colour = terminal && WriteStream.prototype.getColorDepth() > 1;
  return openScreen(settings, { fd, terminal, colour }, context);
}

/** The sink on any descriptor. */
export function openScreen(settings: Options, screen: Screen, { scheduler }: SinkContext): Sink {
  const write = output(screen.fd, scheduler);
  const encode = encoder(settings, screen);
  return {
    merge: { maxMessages: 1_000, maxBytes: 2 ** 20 },
    address: () => ({ perMessage: false, target: () => TARGET }),
    send: (batch) => abortable((abort) => write(encode(batch), abort)),
    close: () => EMPTY,
  };
}

const TARGET = { key: 'console' };

function encoder({ format, level }: Options, { terminal, colour }: Screen): (batch: Batch) => Buffer {
  const human = format === 'human' || (format === 'auto' && terminal);
  if (!human && !terminal && level === undefined) return ndjsonOf;
  const threshold = severityOf(level ?? '');
  const text = human ? humanWith(colour ? colours : plain) : terminal ? jsonOnTerminal : jsonOf;
  return ({ messages }) => {
    const shown = messages.filter(({ severity }) => severity === 0 || severity >= threshold);
    return Buffer.from(shown.map((message) => `${text(message)}\n`).join(''));
  };
}

const humanWith = (paint: Paint) => (message: Message) => lineOf(message, paint);
const jsonOnTerminal = (message: Message) => visibleJson(jsonOf(message));
