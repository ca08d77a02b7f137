import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { clock } from '../format.ts';
import { ServiceName, State } from '../parts.tsx';
import type { LiveMessage } from '../shapes.ts';
import { windowOf } from '../spans.ts';
import { visible } from '../visible.ts';

const ROW_PX = 24;
/** Of a line whose text is below the rest of it. */
const NARROW_ROW_PX = 44;
const NARROW = matchMedia('(max-width: 700px)');

function useRowPx(): number {
  const [isNarrow, setNarrow] = useState(NARROW.matches);
  useEffect(() => {
    const change = () => setNarrow(NARROW.matches);
    NARROW.addEventListener('change', change);
    return () => NARROW.removeEventListener('change', change);
  }, []);
  return isNarrow ? NARROW_ROW_PX : ROW_PX;
}

interface Props {
  /** The oldest first. */
  messages: readonly LiveMessage[];
  /** How many were ever added. */
  added: number;
  /** What is marked in the texts. */
  marked: string;
  onOpen: (message: LiveMessage) => void;
}

/** Messages, the newest first, of which only those in sight are drawn. */
export function TailList({ messages, added, marked, onOpen }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const rowPx = useRowPx();
  const [above, setAbove] = useState(0);
  const before = useRef(added);
  useLayoutEffect(() => {
    const moved = added - before.current;
    before.current = added;
    // Who reads further down keeps the place.
    if (box.current && box.current.scrollTop > 0 && moved > 0) box.current.scrollTop += moved * rowPx;
  }, [added]);
  const total = messages.length;
  const [first, last] = windowOf(total, rowPx, above * rowPx, box.current?.clientHeight ?? 600);
  const shown = messages.slice(total - last, total - first).reverse();
  return (
    <section
      ref={box}
      class="tail"
      aria-label="Messages, the newest first"
      onScroll={(event) => setAbove(Math.floor(event.currentTarget.scrollTop / rowPx))}
    >
      <ol style={{ paddingTop: `${first * rowPx}px`, paddingBottom: `${(total - last) * rowPx}px` }}>
        {shown.map((message, index) => (
          <li
            key={`${message.id} ${message.backend ?? ''} ${message.outcome ?? ''}`}
            aria-setsize={total}
            aria-posinset={first + index + 1}
          >
            <Line message={message} marked={marked} onOpen={onOpen} />
          </li>
        ))}
      </ol>
    </section>
  );
}

interface LineProps {
  message: LiveMessage;
  marked: string;
  onOpen: (message: LiveMessage) => void;
}

const Line = ({ message, marked, onOpen }: LineProps) => (
  <button type="button" class="line" data-row onClick={() => onOpen(message)}>
    <span class="mono dim">{clock(message.time)}</span>
    <ServiceName name={message.source} />
    <span class={`level level-${message.level ?? 'none'}`}>{visible(message.level ?? message.type)}</span>
    <span class="text">
      <Marked text={message.text} marked={marked} />
    </span>
    {message.outcome !== undefined && (
      <span>
        {visible(message.backend ?? '')} <State state={message.outcome} />
      </span>
    )}
  </button>
);

/** A text with what was searched for marked; the search tells small letters from capitals, as the filter does. */
function Marked({ text, marked }: { text: string; marked: string }) {
  if (marked === '') return <>{visible(text)}</>;
  return (
    <>
      {text
        .split(marked)
        .map((part, index) => [index > 0 && <mark key={`m${index}`}>{visible(marked)}</mark>, visible(part)])}
    </>
  );
}
