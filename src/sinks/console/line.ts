import type { Json, Message } from '../../message.ts';
import { isoTime } from '../../message.ts';
import { clipped, visible } from '../../visible.ts';
import { bodyOf } from './body.ts';
import type { Paint, Style } from './paint.ts';

const MAX_TEXT = 2_000;
const MAX_VALUE = 200;
const MAX_PAIRS = 32;
/** The longest of the labels, `PROGRESS` and `RESOURCE`. */
const LABEL_WIDTH = 8;

const LEVELS: readonly (readonly [label: string, style: Style])[] = [
  ['EVENT', 'label'],
  ['TRACE', 'debug'],
  ['DEBUG', 'debug'],
  ['INFO', 'info'],
  ['WARN', 'warn'],
  ['ERROR', 'error'],
  ['FATAL', 'fatal'],
];

/**
 * A message for people, on one line, without newline: time (UTC), level or type, source, what happened, `key=value`
 * pairs, job, trace. Nothing a sender wrote reaches a terminal as a control sequence; long values are clipped.
 */
export function lineOf(message: Message, paint: Paint): string {
  const { text, pairs } = bodyOf(message);
  const words = [
    `${paint('time', isoTime(message.timeMs).slice(11, -1))} ${label(message, paint)} ${paint('source', visible(message.source))}`,
  ];
  if (text !== '') words.push(visible(clipped(text, MAX_TEXT)));
  const shown = pairs.slice(0, MAX_PAIRS).map(([key, value]) => pair(key, value, paint));
  if (pairs.length > MAX_PAIRS) shown.push(`… ${pairs.length - MAX_PAIRS} more`);
  if (message.jobId !== '') shown.push(pair('job', message.jobId, paint));
  if (message.traceId !== '') shown.push(pair('trace', message.traceId.slice(0, 8), paint));
  if (shown.length > 0) words.push(shown.join(' '));
  return words.join('  ');
}

function label({ type, severity }: Message, paint: Paint): string {
  const [name, style] = (type === 'event' ? LEVELS[severity] : undefined) ?? [type.toUpperCase(), 'label'];
  return paint(style, visible(clipped(name, 2 * LABEL_WIDTH)).padEnd(LABEL_WIDTH));
}

const pair = (key: string, value: Json | undefined, paint: Paint) =>
  `${paint('key', `${visible(clipped(key, MAX_VALUE))}=`)}${show(value)}`;

/** A value that can be told apart from its neighbours: quoted if it has blanks, quotes or `=`. */
function show(value: Json | undefined): string {
  if (typeof value !== 'string') return visible(clipped(JSON.stringify(value) ?? '', MAX_VALUE));
  const text = clipped(value, MAX_VALUE);
  return visible(/^[^\s"'=\\]+$/.test(text) ? text : JSON.stringify(text));
}
