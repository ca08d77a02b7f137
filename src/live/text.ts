import type { Json, JsonObject } from '../message.ts';

/** What a record of `type` says, in one line. */
export function textOf(type: string, record: JsonObject): string {
  const data = isObject(record.data) ? record.data : {};
  const words = (...values: (Json | undefined)[]) =>
    values.filter((value) => typeof value === 'string' || typeof value === 'number').join(' ');
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
        .filter(([, value]) => typeof value === 'number')
        .map(([key, value]) => `${key} ${value}`)
        .join(', ');
    case 'span':
      return words(data.phase, data.name, data.status);
    default:
      return words(data.message, data.name);
  }
}

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
