import { createHash } from 'node:crypto';
import type { Message } from '../../message.ts';
import { compileTemplate } from '../naming/template.ts';
import { LIMITS } from './limits.ts';

/** The names that two templates give. */
export interface Names {
  /** False promises that all messages of one source have the same names. */
  readonly perMessage: boolean;
  group(message: Message): string;
  stream(message: Message): string;
  /** The group of messages that get no group of their own any more. */
  overflowGroup(message: Message): string;
}

/** The stream for what gets no stream of its own any more; no value of a message is confined to this name. */
export const OVERFLOW_STREAM = '~overflow';

/** What an overflowing group has in the place of every value. */
const OVERFLOW = 'overflow';

/** Compiles the templates of a rule. Names are confined to what CloudWatch Logs takes; see `confine.ts`. */
export function namesOf(groupTemplate: string, streamTemplate: string): Names {
  const group = compileTemplate(groupTemplate);
  const stream = compileTemplate(streamTemplate);
  const groupName = (message: Message) => short(plain(group.render(message)), '##');
  return {
    perMessage: group.perMessage || stream.perMessage,
    group: groupName,
    stream: (message) => short(stream.render(message), '~'),
    overflowGroup: (message) =>
      groupName({
        ...message,
        source: OVERFLOW,
        type: OVERFLOW,
        traceId: OVERFLOW,
        jobId: OVERFLOW,
        severity: 0,
        // Its own time is the sender's, who may send any.
        timeMs: message.receivedMs,
      }),
  };
}

/** A group's name has neither `%` nor `~`; the template itself cannot have them, and no `#` before a field. */
const plain = (name: string): string => name.replaceAll('%', '#').replaceAll('~', '##');

function short(name: string, mark: string): string {
  if (name.length <= LIMITS.nameLength) return name;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 32);
  return `${name.slice(0, LIMITS.nameLength - mark.length - hash.length)}${mark}${hash}`;
}
