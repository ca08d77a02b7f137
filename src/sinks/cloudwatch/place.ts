import type { Target } from '../../deliver/sink.ts';

/** A log stream, and what a rule wants of its group if it has to be made. */
export interface Place {
  readonly group: string;
  readonly stream: string;
  readonly retentionDays: number | undefined;
}

/** The target of a place; `placeOf` reads it back. */
export function targetOf({ group, stream, retentionDays }: Place): Target {
  const retention = retentionDays === undefined ? '' : ` retention_days=${retentionDays}`;
  return { key: `log_group=${group}${retention} log_stream=${stream}` };
}

/** The place of a target. A group's name has no space, so that this is the only one. */
export function placeOf({ key }: Target): Place {
  const found = /^log_group=(?<group>[^ ]+)(?: retention_days=(?<days>\d+))? log_stream=(?<stream>.+)$/s.exec(
    key,
  );
  if (found === null) throw new Error(`${JSON.stringify(key)} is no log stream`);
  const { group = '', days, stream = '' } = found.groups ?? {};
  return { group, stream, retentionDays: days === undefined ? undefined : Number(days) };
}
