import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * One line of a report. `target` says what must be reached, `reached` whether it was; `undefined`: no target.
 * @typedef {{ name: string, value: string, target?: string, reached?: boolean, note?: string }} Row
 */

/**
 * Prints cells in aligned columns, the first row underlined; numbers to the right.
 * @param {readonly (readonly string[])[]} rows
 */
export function printTable(rows) {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const isNumber = (/** @type {string} */ cell) => /^[-+]?[\d.,]+( ?%| ?MB| ?ms| ?KB)?$/.test(cell);
  const line = (/** @type {readonly string[]} */ row) =>
    row
      .map((cell, column) =>
        isNumber(cell) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd();
  const [head = [], ...body] = rows;
  console.log(
    [line(head), widths.map((width) => '-'.repeat(width)).join('  '), ...body.map(line)].join('\n'),
  );
}

/**
 * Prints a report; what missed its target is marked.
 * @param {string} title
 * @param {readonly Row[]} rows
 */
export function printReport(title, rows) {
  const verdict = (/** @type {Row} */ { reached }) => (reached === undefined ? '' : reached ? 'yes' : 'NO');
  console.log(`\n${title}`);
  printTable([
    ['what', 'measured', 'target', 'reached', 'note'],
    ...rows.map((row) => [row.name, row.value, row.target ?? '', verdict(row), row.note ?? '']),
  ]);
}

/** Whether the module of this `import.meta.url` is what node was started with. */
export const isMain = (/** @type {string} */ url) =>
  process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(url);
