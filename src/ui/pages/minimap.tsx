import { useEffect, useRef, useState } from 'preact/hooks';
import { duration, hueOf } from '../format.ts';
import { type Row, type Stretch, spanStretch } from '../spans.ts';

const HEIGHT_PX = 56;
/** A shorter drag is a click. */
const MIN_DRAG_PX = 4;

interface Props {
  rows: readonly Row[];
  whole: Stretch;
  /** What the waterfall shows; `undefined`: all. */
  range: Stretch | undefined;
  onRange: (range: Stretch | undefined) => void;
}

/** All rows at once, of which a stretch of time is chosen by dragging. */
export function Minimap({ rows, whole, range, onRange }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [drag, setDrag] = useState<Stretch>();
  const [from, to] = whole;
  const length = Math.max(1, to - from);
  useEffect(() => {
    if (canvas.current) paint(canvas.current, rows, whole);
  }, [rows, from, to, document.documentElement.dataset.theme]);

  const timeAt = ({ clientX }: PointerEvent) => {
    const { left, width } = canvas.current?.getBoundingClientRect() ?? { left: 0, width: 1 };
    return from + Math.min(1, Math.max(0, (clientX - left) / width)) * length;
  };
  const begin = (event: PointerEvent) => {
    (event.currentTarget as Element).setPointerCapture(event.pointerId);
    setDrag([timeAt(event), timeAt(event)]);
  };
  const end = (event: PointerEvent) => {
    if (drag === undefined) return;
    const [first, last] = [Math.min(drag[0], timeAt(event)), Math.max(drag[0], timeAt(event))];
    const width = canvas.current?.clientWidth ?? 1;
    setDrag(undefined);
    onRange(((last - first) / length) * width < MIN_DRAG_PX ? undefined : [first, last]);
  };
  const shown = drag === undefined ? range : ([Math.min(...drag), Math.max(...drag)] as const);
  return (
    <div class="minimap">
      <div
        class="brush"
        data-minimap
        aria-hidden="true"
        onPointerDown={begin}
        onPointerMove={(event) => drag && setDrag([drag[0], timeAt(event)])}
        onPointerUp={end}
        onPointerCancel={() => setDrag(undefined)}
      >
        <canvas ref={canvas} style={{ height: `${HEIGHT_PX}px` }} />
        {shown && (
          <i
            style={{
              left: `${((shown[0] - from) / length) * 100}%`,
              width: `${((shown[1] - shown[0]) / length) * 100}%`,
            }}
          />
        )}
      </div>
      <p>
        <span class="dim">
          {range === undefined
            ? `The whole ${duration(length)}: drag above, or press z on a span, to zoom`
            : `${duration(range[0] - from)} – ${duration(range[1] - from)} of ${duration(length)}`}
        </span>{' '}
        {range !== undefined && (
          <button type="button" onClick={() => onRange(undefined)}>
            Whole time
          </button>
        )}
      </p>
    </div>
  );
}

function paint(canvas: HTMLCanvasElement, rows: readonly Row[], [from, to]: Stretch): void {
  const scale = devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth * scale, HEIGHT_PX * scale];
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d');
  if (context === null) return;
  const style = getComputedStyle(canvas);
  const hues = Array.from({ length: 8 }, (_, hue) => style.getPropertyValue(`--hue-${hue}`));
  const bad = style.getPropertyValue('--bad');
  const perMs = width / Math.max(1, to - from);
  const rowHeight = height / Math.max(1, rows.length);
  rows.forEach(({ span }, index) => {
    const [start, end] = spanStretch(span, to);
    context.fillStyle = (span.state === 'error' ? bad : hues[hueOf(span.source)]) ?? bad;
    context.fillRect(
      (start - from) * perMs,
      index * rowHeight,
      Math.max(1, (end - start) * perMs),
      Math.max(1, rowHeight * 0.8),
    );
  });
}
