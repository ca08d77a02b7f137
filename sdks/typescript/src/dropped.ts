/** Why a record was not sent. */
export type Reason = 'full' | 'encode' | 'oversize' | 'refused' | 'closed' | 'forked';

/** How many records were not sent, by reason. */
export type Dropped = Record<Reason, number>;

export const noneDropped = (): Dropped => ({ full: 0, encode: 0, oversize: 0, refused: 0, closed: 0, forked: 0 });
