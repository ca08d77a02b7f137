import { dataOf, type JsonObject, type Message } from '../message.ts';
import { RESOURCE_UNITS } from '../resources.ts';

/** One number of a record that belongs to a series. */
export interface Measure {
  /** The member of `data` that has it. */
  readonly key: string;
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly kind: string;
  /** Sorted by their keys. */
  readonly tags: readonly (readonly [key: string, value: string])[];
}

const RESOURCES = [...RESOURCE_UNITS];
const NO_TAGS: Measure['tags'] = [];
/** A metric that a sidecar made of windows is not summed up again. */
const AGGREGATE = 'aggregate';
/** Longer names and tags are cut off. */
const MAX_LENGTH = 256;

/** The numbers of a record that series are made of; none for other types. */
export function measuresOf(message: Message): readonly Measure[] {
  const data = dataOf(message);
  if (message.type === 'metric') return metricOf(data);
  if (message.type === 'progress') return numberIn(data, 'percent', 'progress.percent', '%', NO_TAGS);
  if (message.type !== 'resource') return [];
  const tags = typeof data.per === 'string' ? [['per', shortened(data.per)] as const] : NO_TAGS;
  return RESOURCES.flatMap(([key, unit]) => numberIn(data, key, `resource.${key}`, unit, tags));
}

function metricOf(data: JsonObject): readonly Measure[] {
  const { name, unit, kind, tags } = data;
  if (typeof name !== 'string' || name === '' || kind === AGGREGATE) return [];
  const said = numberIn(data, 'value', shortened(name), textOf(unit), tagsOf(tags));
  return said.map((one) => ({ ...one, kind: textOf(kind) }));
}

function numberIn(
  data: JsonObject,
  key: string,
  name: string,
  unit: string,
  tags: Measure['tags'],
): readonly Measure[] {
  const value = data[key];
  if (typeof value !== 'number' || !Number.isFinite(value)) return [];
  return [{ key, name, value, unit, kind: '', tags }];
}

const textOf = (value: unknown) => (typeof value === 'string' ? shortened(value) : '');
const shortened = (text: string) => (text.length <= MAX_LENGTH ? text : text.slice(0, MAX_LENGTH));

function tagsOf(tags: unknown): Measure['tags'] {
  if (typeof tags !== 'object' || tags === null || Array.isArray(tags)) return NO_TAGS;
  return (
    Object.entries(tags)
      // A job's id there is for correlation; each job would be a series of its own.
      .filter(([key, value]) => typeof value !== 'object' && key !== 'job_id')
      .map(([key, value]) => [shortened(key), shortened(String(value))] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1))
  );
}
