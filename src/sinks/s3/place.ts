import type { StorageClass } from '@aws-sdk/client-s3';
import type { Batch } from '../../batch.ts';
import type { Target } from '../../deliver/sink.ts';
import { isoTime } from '../../message.ts';

/** Where objects go. */
export interface Place {
  readonly bucket: string;
  readonly prefix: string;
  readonly storageClass: StorageClass | undefined;
}

/** `bucket/prefix`, a storage class before it as `GLACIER:`; a bucket has neither `:` nor `/`. */
export const targetKey = ({ bucket, prefix, storageClass }: Place): string =>
  `${storageClass === undefined ? '' : `${storageClass}:`}${bucket}/${prefix}`;

/** What `targetKey` was made of. */
export function placeOf({ key }: Target): Place {
  const [, storageClass, bucket = '', prefix = ''] = /^(?:([A-Z_]+):)?([^/]*)\/(.*)$/s.exec(key) ?? [];
  return { bucket, prefix, storageClass: storageClass as StorageClass | undefined };
}

/**
 * The end of a batch's object key, before its suffix: when its first message arrived, the batch's id, and a digest of
 * its content. A retry has the same, so that it overwrites itself; other content never has.
 */
export function objectName({ id, messages }: Batch, digest: string): string {
  const time = isoTime(messages[0]?.receivedMs ?? 0).replace(/[-:.]/g, '');
  return `${time}-${id}-${digest}`;
}
