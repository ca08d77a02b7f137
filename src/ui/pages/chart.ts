import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { hueOf } from '../format.ts';

type Line = {
  readonly source: string;
  readonly points: readonly { readonly time: string; readonly value: number }[];
};

/** Draws lines over one axis of time; cursors of all charts move together. */
export function draw(target: HTMLElement, lines: readonly Line[]): uPlot {
  const style = getComputedStyle(target);
  const times = [...new Set(lines.flatMap(({ points }) => points.map(({ time }) => time)))].sort();
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
