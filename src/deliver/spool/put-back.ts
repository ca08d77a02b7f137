import { createChain, insert, unlink } from '../../flow/chain.ts';
import { acknowledge, type Outstanding, type Segment } from './segment.ts';
import type { SpoolState } from './state.ts';

/**
 * Leaves a frame where it is on disk, to be taken again, in its order. What was passed by comes behind all others of its
 * target, what was read earlier near the first.
 */
export function putBack(state: SpoolState, frame: Outstanding): void {
  const { segment, target, messages } = frame;
  const list = state.back.get(target) ?? createChain<Outstanding>();
  state.back.set(target, list);
  let next = list.last && isBefore(frame, list.last.value) ? list.first : undefined;
  while (next && isBefore(next.value, frame)) next = next.after;
  frame.back = insert(list, next, frame);
  segment.back += messages;
}

const isBefore = (a: Outstanding, b: Outstanding) =>
  a.segment === b.segment ? a.at < b.at : a.segment.seq < b.segment.seq;

/** Takes a frame out of those that were put back. */
export function leave(state: SpoolState, frame: Outstanding): void {
  const { segment, target, messages, back } = frame;
  const list = state.back.get(target);
  if (list === undefined || back === undefined) return;
  unlink(list, back);
  if (list.first === undefined) state.back.delete(target);
  frame.back = undefined;
  segment.back -= messages;
}

/** Gives up what was put back of a segment: it does not come back after a restart either. */
export function giveUpBack(state: SpoolState, segment: Segment): void {
  for (const frame of segment.outstanding.filter(({ back }) => back !== undefined)) {
    leave(state, frame);
    acknowledge(frame);
  }
}
