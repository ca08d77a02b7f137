import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

type Line = {
  /** One of the eight colours. */
  readonly hue: number;
  readonly points: readonly { readonly time: string; readonly value: number }[];
};

/** Numbers so short that they fit beside the chart: `0.285`, `1.74M`. */
const SHORT = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 4 });
const DAY_S = 86_400;

/** A time of day in UTC, as everywhere on the page, and the date where a day begins. */
function timeOf(epochS: number, stepS: number): string {
  const iso = new Date(epochS * 1000).toISOString();
  if (epochS % DAY_S === 0) return iso.slice(5, 10);
  return iso.slice(11, stepS < 60 ? 19 : 16);
}

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
    grid: { stroke: style.getPropertyValue('--line'), width: 1 },
    ticks: { show: false },
  };
  const timeAxis: uPlot.Axis = {
    ...axis,
    values: (_, ticks, _axis, _space, stepS) => ticks.map((at) => timeOf(at, stepS)),
  };
  const valueAxis: uPlot.Axis = { ...axis, values: (_, ticks) => ticks.map((value) => SHORT.format(value)) };
  return new uPlot(
    {
      width: target.clientWidth || 400,
      height: 180,
      cursor: { sync: { key: 'metrics' } },
      legend: { show: false },
      tzDate: (epochS) => uPlot.tzDate(new Date(epochS * 1000), 'Etc/UTC'),
      axes: [timeAxis, valueAxis],
      series: [
        {},
        ...lines.map(({ hue }) => ({
          stroke: style.getPropertyValue(`--hue-${hue}`),
          width: 1.5,
          spanGaps: true,
        })),
      ],
    },
    [times.map((time) => Date.parse(time) / 1000), ...values],
    target,
  );
}
