import { dataOf, type JsonObject, type Message } from '../message.ts';

/** What SDKs say that they had to drop, in their records of type `sdk`. */
export interface SdkDrops {
  add(message: Message): void;
  /** Messages, since the start. */
  total(): number;
}

/** Counts `dropped` of such records: a number, or numbers by reason; what is no number of messages is left out. */
export function createSdkDrops(): SdkDrops {
  let total = 0;
  return {
    add: (message) => {
      const { dropped } = dataOf(message);
      const counts =
        typeof dropped === 'object' && dropped !== null ? Object.values(dropped as JsonObject) : [dropped];
      for (const count of counts)
        if (typeof count === 'number' && Number.isSafeInteger(count) && count > 0) total += count;
    },
    total: () => total,
  };
}
