import { nextFrame } from './frame.ts';
import { tellLost } from './losses.ts';
import { leave } from './put-back.ts';
import { type Aside, decode, handOut, load, removeIfConsumed, type Taken } from './reader.ts';
import { acknowledge, type Outstanding } from './segment.ts';
import type { SpoolState } from './state.ts';

/** What was put back is read in pieces of this size: other targets' frames lie between. */
const PIECE_BYTES = 2 ** 20;

/** The first item that was put back and whose target is not aside; `unread` if it has to be read first. */
export function takeBack(state: SpoolState, aside: Aside, resume: () => void): Taken | 'unread' | undefined {
  for (const [target, list] of state.back) {
    if (aside.has(target)) continue;
    for (let frame = list.first?.value; frame !== undefined; frame = list.first?.value) {
      const { segment, at, end, messages } = frame;
      if (!isReloaded(state, frame)) {
        const to = Math.min(Math.max(end, at + PIECE_BYTES), segment.size);
        load(state, segment, at, to, resume, (loaded) => {
          state.reloaded = loaded;
        });
        return 'unread';
      }
      const item = itemAt(state, frame);
      leave(state, frame);
      if (item !== undefined) return handOut(state, frame, item);
      acknowledge(frame);
      tellLost(state, 'spool_corrupt', messages);
      removeIfConsumed(state, segment);
    }
  }
  return undefined;
}

const isReloaded = ({ reloaded }: SpoolState, { segment, at, end }: Outstanding) =>
  reloaded?.segment === segment && reloaded.from <= at && end <= reloaded.to;

function itemAt({ reloaded }: SpoolState, { at, end }: Outstanding) {
  if (reloaded === undefined) return undefined;
  const { from, bytes } = reloaded;
  const frame = nextFrame(bytes.subarray(0, end - from), at - from);
  return frame?.at === at - from ? decode(frame.payload) : undefined;
}
