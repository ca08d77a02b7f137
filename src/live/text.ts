import type { Json, JsonObject } from '../message.ts';
import { RESOURCE_UNITS } from '../resources.ts';

/** What a record of `type` says, in one line. */
export function textOf(type: string, record: JsonObject): string {
  const data = isObject(record.data) ? record.data : {};
  const words = (...values: (Json | undefined)[]) =>
    values
      .filter((value) => (typeof value === 'string' && value !== '') || typeof value === 'number')
      .join(' ');
  switch (type) {
    case 'event':
      return words(data.message);
    case 'metric':
      return words(data.name, '=', data.value, data.unit);
    case 'progress':
      return words(
        typeof data.percent === 'number' ? `${data.percent} %` : undefined,
        data.status,
        data.message,
      );
    case 'resource':
      return Object.entries(data)
        .flatMap(([key, value]) =>
          typeof value === 'number' ? words(key, rounded(value), RESOURCE_UNITS.get(key)) : [],
        )
        .join(', ');
    case 'span':
      return words(data.phase, data.name, data.status);
    default:
      return words(data.message, data.name);
  }
}

/** All of the integer part, and at least four digits: what was sent is in the record. */
const rounded = (value: number) =>
  Math.abs(value) >= 1000 ? Math.round(value * 10) / 10 : Number(value.toPrecision(4));

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
