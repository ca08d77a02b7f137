import { labelOf, OTHER } from './label.ts';

/** One series: its label values, in the order of its metric's label names, and its value. */
export type Row = readonly [labels: readonly string[], value: number];

/** Sums by label values. */
export interface Tally {
  /** Adds `by` (0 makes the series appear). */
  add(labels: readonly string[], by: number): void;
  rows(): Row[];
}

/** Sums at most `maxSeries` combinations of labels; beyond them the last label becomes `_other`. */
export function createTally(maxSeries = 1000): Tally {
  const cells = new Map<string, { readonly labels: readonly string[]; value: number }>();

  const cellOf = (labels: readonly string[]) => {
    const key = labels.join('\0');
    let cell = cells.get(key);
    if (cell === undefined && (cells.size < maxSeries || labels.at(-1) === OTHER)) {
      cell = { labels, value: 0 };
      cells.set(key, cell);
    }
    return cell;
  };

  return {
    add: (labels, by) => {
      const clean = labels.map(labelOf);
      const cell = cellOf(clean) ?? cellOf([...clean.slice(0, -1), OTHER]);
      if (cell !== undefined) cell.value += by;
    },
    rows: () => [...cells.values()].map(({ labels, value }): Row => [labels, value]),
  };
}
