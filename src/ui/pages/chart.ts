import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { hueOf } from '../format.ts';

type Line = {
  readonly source: string;
  readonly points: readonly { readonly time: string; readonly value: number }[];
};

/**
 * Draws lines over an axis of all the time that was asked for, however few points they have; cursors of all charts move
 * together.
 */
export function draw(
  target: HTMLElement,
  lines: readonly Line[],
  { from, to }: { readonly from: string; readonly to: string },
): uPlot {
  const style = getComputedStyle(target);
  const ofPoints = lines.flatMap(({ points }) => points.map(({ time }) => time));
  // The ends have no values of their own: the axis reaches to them, and a zoom can still be undone.
  const times = [...new Set([from, ...ofPoints, to])].sort();
  const values = lines.map(({ points }) => {
    const byTime = new Map(points.map(({ time, value }) => [time, value]));
    return times.map((time) => byTime.get(time) ?? null);
  });
  const axis = {
    stroke: style.getPropertyValue('--dim'),
    grid: { stroke: style.getPropertyValue('--line') },
  };
  return new uPlot(
    {
      width: target.clientWidth || 400,
      height: 180,
      cursor: { sync: { key: 'metrics' } },
      legend: { show: false },
      axes: [axis, axis],
      series: [
        {},
        ...lines.map(({ source }) => ({
          stroke: style.getPropertyValue(`--hue-${hueOf(source)}`),
          width: 1.5,
          spanGaps: true,
        })),
      ],
    },
    [times.map((time) => Date.parse(time) / 1000), ...values],
    target,
  );
}
