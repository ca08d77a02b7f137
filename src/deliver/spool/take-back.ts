import type { Link } from '../../flow/chain.ts';
import { nextFrame } from './frame.ts';
import { tellLost } from './losses.ts';
import { leave } from './put-back.ts';
import { type Aside, decode, handOut, load, removeIfConsumed, type Taken } from './reader.ts';
import { acknowledge, type Outstanding } from './segment.ts';
import type { SpoolState } from './state.ts';

/** Of what was put back so much is read at once, up to where so much of others lies between. */
const PIECE_BYTES = 2 ** 20;
const GAP_BYTES = 2 ** 16;

/** The first item that was put back and whose target is not aside; `unread` if it has to be read first. */
export function takeBack(state: SpoolState, aside: Aside): Taken | 'unread' | undefined {
  for (const [target, list] of state.back) {
    if (aside.has(target)) continue;
    for (let link = list.first; link !== undefined; link = list.first) {
      const frame = link.value;
      const { segment, messages } = frame;
      if (!isReloaded(state, frame)) {
        load(state, segment, frame.at, endOfPiece(link), (loaded) => {
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

/** Where what is read at once ends. */
function endOfPiece({ value: first, after }: Link<Outstanding>): number {
  let { end } = first;
  for (let next = after; next !== undefined; next = next.after) {
    const { segment, at } = next.value;
    if (segment !== first.segment || at > end + GAP_BYTES || next.value.end > first.at + PIECE_BYTES) break;
    end = next.value.end;
  }
  return end;
}

const isReloaded = ({ reloaded }: SpoolState, { segment, at, end }: Outstanding) =>
  reloaded?.segment === segment && reloaded.from <= at && end <= reloaded.to;

function itemAt({ reloaded }: SpoolState, { at, end }: Outstanding) {
  if (reloaded === undefined) return undefined;
  const { from, bytes } = reloaded;
  const frame = nextFrame(bytes.subarray(0, end - from), at - from);
  return frame?.at === at - from ? decode(frame.payload) : undefined;
}
