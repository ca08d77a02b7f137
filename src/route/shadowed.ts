import { type Json, type Message, recordOf, sentTextOf } from '../message.ts';

const QUOTE = 34;
const COLON = 58;
const BACKSLASH = 92;

/**
 * Whether the message's JSON text says more than `recordOf`: of a repeated key the parsed record has the last
 * value only, and the text that is delivered has all of them.
 */
export const hasShadowedMembers = (message: Message): boolean =>
  countMembers(recordOf(message)) !== countColons(sentTextOf(message));

/** How many members the objects of a parsed record have, in all. */
function countMembers(value: Json): number {
  if (typeof value !== 'object' || value === null) return 0;
  let count = Array.isArray(value) ? 0 : Object.keys(value).length;
  for (const child of Object.values(value)) count += countMembers(child ?? null);
  return count;
}

/** How many members they have in JSON text: a colon each, those inside strings left out. */
function countColons(text: string): number {
  let count = 0;
  let isInString = false;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) isInString = !isInString;
    else if (char === BACKSLASH) at++;
    else if (char === COLON && !isInString) count++;
  }
  return count;
}
