import type { Message } from '../../message.ts';

/** Fields whose value comes from the wire and may be anything. */
export type ValueField = 'source' | 'type' | 'job_id' | 'trace_id' | 'level';
/** Parts of the message's own time in UTC; each of a fixed width. */
export type DateField = 'yyyy' | 'MM' | 'dd' | 'HH' | 'mm' | 'date' | 'hour';
/** What a template may name. */
export type Field = ValueField | DateField;

const LEVELS: readonly string[] = ['', 'trace', 'debug', 'info', 'warn', 'error', 'fatal'];

/** Reads a value field, unescaped; `''` where the message has none. */
export const VALUES: Readonly<Record<ValueField, (message: Message) => string>> = {
  source: (message) => message.source,
  type: (message) => message.type,
  job_id: (message) => message.jobId,
  trace_id: (message) => message.traceId,
  level: (message) => LEVELS[message.severity] ?? '',
};

/** Characters that a date field renders to. */
export const WIDTHS: Readonly<Record<DateField, number>> = {
  yyyy: 4,
  MM: 2,
  dd: 2,
  HH: 2,
  mm: 2,
  date: 10,
  hour: 2,
};

/** All fields a template may have. */
export const FIELDS: readonly Field[] = [
  'source',
  'type',
  'level',
  'job_id',
  'trace_id',
  'yyyy',
  'MM',
  'dd',
  'HH',
  'mm',
  'date',
  'hour',
];

/** Whether a field is a part of the message's time. */
export const isDateField = (field: Field): field is DateField => Object.hasOwn(WIDTHS, field);

/** A date field of epoch milliseconds. Years are held to four digits. */
export function datePart(field: DateField, timeMs: number): string {
  const time = new Date(timeMs);
  switch (field) {
    case 'yyyy':
      return digits(Math.min(9999, Math.max(0, time.getUTCFullYear())), 4);
    case 'MM':
      return digits(time.getUTCMonth() + 1, 2);
    case 'dd':
      return digits(time.getUTCDate(), 2);
    case 'HH':
    case 'hour':
      return digits(time.getUTCHours(), 2);
    case 'mm':
      return digits(time.getUTCMinutes(), 2);
    case 'date':
      return `${datePart('yyyy', timeMs)}-${datePart('MM', timeMs)}-${datePart('dd', timeMs)}`;
  }
}

const digits = (value: number, width: number) => String(Number.isNaN(value) ? 0 : value).padStart(width, '0');
