import { labelOf, OTHER } from './label.ts';
import type { Row } from './tally.ts';

/** Received messages by source and type. */
export interface Received {
  /** Counts one message; the hot path: no allocation, and no lookup while the source stays the same. */
  add(source: string, type: string): void;
  /** One row per source and type seen: `[[source, type], count]`. */
  rows(): Row[];
  /** All messages. */
  total(): number;
}

/** One source's counts. `rest` holds the types that the protocol does not know. */
interface Cell {
  event: number;
  metric: number;
  progress: number;
  resource: number;
  span: number;
  readonly rest: Map<string, number>;
}

const createCell = (): Cell => ({ event: 0, metric: 0, progress: 0, resource: 0, span: 0, rest: new Map() });

/**
 * Counts by at most `maxSources` sources, the first seen; the others share the source `_other`. Pairs of a source and
 * an unknown type are as few; the others share the type `_other` of their source.
 */
export function createReceived(maxSources: number): Received {
  const cells = new Map<string, Cell>();
  const overflow = createCell();
  let unknownTypes = 0;
  let lastSource: string | undefined;
  let lastCell = overflow;

  const cellOf = (source: string): Cell => {
    const label = labelOf(source);
    let cell = cells.get(label);
    if (cell !== undefined) return cell;
    if (cells.size >= maxSources || label === OTHER) return overflow;
    cell = createCell();
    // A copy: the label may be a slice that would keep its whole chunk of input alive.
    cells.set(Buffer.from(label).toString(), cell);
    return cell;
  };

  const addUnknown = (rest: Map<string, number>, type: string) => {
    let label = labelOf(type);
    if (!rest.has(label) && label !== OTHER) {
      if (unknownTypes < maxSources) unknownTypes++;
      else label = OTHER;
    }
    rest.set(label, (rest.get(label) ?? 0) + 1);
  };

  return {
    add: (source, type) => {
      // A connection sends one source: comparing is cheaper than hashing a string that was just parsed.
      if (source !== lastSource) {
        lastCell = cells.get(source) ?? cellOf(source);
        lastSource = source;
      }
      count(lastCell, type, addUnknown);
    },
    rows: () => [...cells, [OTHER, overflow] as const].flatMap(([source, cell]) => rowsOf(source, cell)),
    total: () => {
      let sum = totalOf(overflow);
      for (const cell of cells.values()) sum += totalOf(cell);
      return sum;
    },
  };
}

function count(cell: Cell, type: string, unknown: (rest: Map<string, number>, type: string) => void): void {
  switch (type) {
    case 'event':
      cell.event++;
      break;
    case 'metric':
      cell.metric++;
      break;
    case 'progress':
      cell.progress++;
      break;
    case 'resource':
      cell.resource++;
      break;
    case 'span':
      cell.span++;
      break;
    default:
      unknown(cell.rest, type);
  }
}

function countsOf(cell: Cell): [type: string, count: number][] {
  const { event, metric, progress, resource, span, rest } = cell;
  return [...Object.entries({ event, metric, progress, resource, span }), ...rest];
}

const rowsOf = (source: string, cell: Cell): Row[] =>
  countsOf(cell)
    .filter(([, value]) => value > 0)
    .map(([type, value]) => [[source, type], value]);

const totalOf = (cell: Cell) => countsOf(cell).reduce((sum, [, value]) => sum + value, 0);
