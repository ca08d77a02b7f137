import { constants } from 'node:os';

/** What NFS and quotas answer, and libuv has no name for. */
const NAMES: ReadonlyMap<number, string> = new Map([
  [constants.errno.ESTALE, 'ESTALE: stale file handle'],
  [constants.errno.EDQUOT, 'EDQUOT: disk quota exceeded'],
]);

/** An error's text, with names in the place of the numbers that Node.js shows. */
export const systemText = (text: string): string =>
  text.replace(
    /Unknown system error -(\d+): Unknown system error -\1/g,
    (all, number) => NAMES.get(Number(number)) ?? all,
  );
