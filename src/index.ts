/** What an operator in `pipelines/` may import; everything else is internal and may change. */

export { duration, size } from './config/units.ts';
export type { Context, Counters, Log } from './context.ts';
export { exactNumber, exactRecordOf, withExactRecord } from './exact.ts';
export { attempt } from './flow/attempt.ts';
export { createKeyedQueue, type KeyedQueue } from './flow/keyed-queue.ts';
export {
  createMessage,
  dataOf,
  isoTime,
  type Json,
  type JsonObject,
  jsonOf,
  type Message,
  recordOf,
  withData,
  withRecord,
} from './message.ts';
export { countHeld } from './route/count-held.ts';
export { type Field, field } from './route/field.ts';
export { type FieldPlace, fieldGlobs } from './route/field-globs.ts';
export { fractionOf } from './route/filter.ts';
export type { Operator, OperatorContext } from './route/operator.ts';
export { hasShadowedMembers } from './route/shadowed.ts';
export { severityOf } from './severity.ts';
