/** Why a record was not sent. */
export type Reason = 'full' | 'encode' | 'oversize' | 'refused' | 'closed' | 'forked';

/** How many records were not sent, by reason. */
export type Dropped = Record<Reason, number>;

export const noneDropped = (): Dropped => ({ full: 0, encode: 0, oversize: 0, refused: 0, closed: 0, forked: 0 });

/** What became of records: accepted = sent + queued + the sum of dropped. */
export interface Stats {
  readonly accepted: number;
  readonly sent: number;
  readonly queued: number;
  readonly dropped: Dropped;
  readonly queuedBytes: number;
  readonly connected: boolean;
  readonly connects: number;
  readonly unknownSpans: number;
}
