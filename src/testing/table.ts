/** A row of a table over time: its labels and its cells by column. */
export interface TableRow {
  readonly labels: readonly [string, string];
  readonly cells: ReadonlyMap<number, string>;
  /** How a cell is shown once it has its width; absent: as it is. */
  readonly paint?: ((cell: string, column: number) => string) | undefined;
}

const GAP = '  ';

/**
 * Draws rows whose columns stand under each other, in blocks of at most `width` characters where they can be. Blocks
 * without a column of `wanted` are left out, with `…` in their place.
 */
export function drawTable(
  rows: readonly TableRow[],
  columns: readonly number[],
  wanted: ReadonlySet<number>,
  width: number,
): readonly string[] {
  const labelWidths = [0, 1].map((at) => Math.max(...rows.map(({ labels }) => labels[at]?.length ?? 0)));
  const labelOf = ({ labels }: TableRow) =>
    labels.map((label, at) => label.padEnd(labelWidths[at] ?? 0)).join(GAP.slice(0, labelWidths[1]));
  const widths = new Map(
    columns.map((column) => [column, Math.max(...rows.map(({ cells }) => cells.get(column)?.length ?? 0))]),
  );
  const room = width - (rows[0] === undefined ? 0 : labelOf(rows[0]).length);
  const blocks = blocksOf(columns, widths, room);
  const lines: string[] = [];
  for (const block of blocks) {
    if (!block.some((column) => wanted.has(column))) {
      if (lines.at(-1) !== '…') lines.push('…');
      continue;
    }
    for (const row of rows) lines.push((labelOf(row) + cellsOf(row, block, widths)).trimEnd());
  }
  return lines;
}

function cellsOf(
  { cells, paint = (cell) => cell }: TableRow,
  block: readonly number[],
  widths: ReadonlyMap<number, number>,
): string {
  return block
    .map((column) => {
      const cell = cells.get(column) ?? '';
      const padding = ' '.repeat((widths.get(column) ?? 0) - cell.length);
      return GAP + (cell === '' ? '' : paint(cell, column)) + padding;
    })
    .join('');
}

function blocksOf(
  columns: readonly number[],
  widths: ReadonlyMap<number, number>,
  room: number,
): readonly (readonly number[])[] {
  const blocks: number[][] = [];
  let left = 0;
  for (const column of columns) {
    const needed = GAP.length + (widths.get(column) ?? 0);
    const last = blocks.at(-1);
    if (last === undefined || needed > left) {
      blocks.push([column]);
      left = room - needed;
    } else {
      last.push(column);
      left -= needed;
    }
  }
  return blocks;
}
