import { dataOf, type Json, type JsonObject, type Message } from '../../message.ts';
import { RESOURCE_UNITS } from '../../resources.ts';

/** What a line says after its source: free text, then keys with values; neither is escaped yet. */
export interface Body {
  readonly text: string;
  readonly pairs: readonly (readonly [key: string, value: Json | undefined])[];
}

type Pairs = Body['pairs'];

/** What is worth reading of a message; any shape of `data` is taken. */
export function bodyOf(message: Message): Body {
  const data = dataOf(message);
  return (BODIES[message.type] ?? other)(data);
}

const BODIES: Readonly<Record<string, (data: JsonObject) => Body>> = Object.assign(Object.create(null), {
  event,
  metric,
  progress,
  resource,
  span,
});

function event({ level, message, context, exception, job_id, ...rest }: JsonObject): Body {
  const { type, message: why } = object(exception);
  const thrown: Pairs = exception === undefined ? [] : [['exception', words(type, why) || exception]];
  return { text: words(message), pairs: [...pairs(context), ...pairs(rest), ...thrown] };
}

function metric({ name, value, unit, tags, ...rest }: JsonObject): Body {
  return { text: words(name, value, unit), pairs: [...pairs(tags), ...pairs(rest)] };
}

function progress({ percent, status, message, current, total, job_id, ...rest }: JsonObject): Body {
  const share = typeof percent === 'number' ? `${percent}%` : percent;
  const count = current === undefined || total === undefined ? undefined : `${current}/${total}`;
  return { text: words(share, status, message, count), pairs: pairs(rest) };
}

function resource(data: JsonObject): Body {
  return {
    text: '',
    pairs: pairs(data).map(([key, value]) => {
      const unit = typeof value === 'number' ? RESOURCE_UNITS.get(key) : undefined;
      return [key, unit === undefined ? value : `${value}${unit}`];
    }),
  };
}

function span({
  phase,
  name,
  duration_us,
  start_us,
  status,
  status_message,
  attributes,
  ...rest
}: JsonObject): Body {
  const took = typeof duration_us === 'number' ? durationOf(duration_us) : undefined;
  const end = phase === 'start' ? ['started'] : [status, took, status_message];
  return { text: words(name, ...end), pairs: [...pairs(attributes), ...pairs(rest)] };
}

const other = (data: JsonObject): Body => ({ text: '', pairs: pairs(data) });

const object = (value: Json | undefined): JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};

const pairs = (value: Json | undefined): Pairs => Object.entries(object(value));

const words = (...parts: readonly (Json | undefined)[]): string =>
  parts
    .filter((part) => part !== undefined && part !== null && part !== '')
    .map((part) => (typeof part === 'object' ? JSON.stringify(part) : String(part)))
    .join(' ');

/** `850µs`, `12.3ms`, `45.2s`, `12m05s`. */
function durationOf(us: number): string {
  if (us < 1_000) return `${us}µs`;
  if (us < 999_950) return `${(us / 1_000).toFixed(1)}ms`;
  if (us < 59_950_000) return `${(us / 1_000_000).toFixed(1)}s`;
  const seconds = Math.round(us / 1_000_000);
  return `${Math.floor(seconds / 60)}m${String(seconds % 60).padStart(2, '0')}s`;
}
