import type { S3Client, S3ClientConfig, StorageClass } from '@aws-sdk/client-s3';
import { clientSettings, renewing } from '../aws/client.ts';
import type { AwsOptions } from '../aws/options.ts';
import { failure } from './failure.ts';
import type { Place } from './place.ts';
import { type S3Object, upload } from './upload.ts';

export interface StoreOptions extends AwsOptions {
  readonly path_style: boolean;
  readonly part_size: number;
  readonly checksum: 'crc32' | 'crc32c' | 'sha1' | 'sha256' | 'none';
  readonly storage_class?: StorageClass | undefined;
  readonly encryption?: 'AES256' | 'aws:kms' | undefined;
  readonly kms_key_id?: string | undefined;
}

/** What is put into a store. */
export interface Item {
  readonly place: Place;
  readonly key: string;
  readonly bytes: Buffer;
  /** For `Content-Encoding`; `undefined` for none. */
  readonly encoding: string | undefined;
}

/** A store of objects. */
export interface Store {
  /** Puts an object; calls `onProgress` after each part of it, rejects as a lane wants it. */
  put(item: Item, signal: AbortSignal, onProgress: () => void): Promise<void>;
  /** Waits until uploads that were aborted are removed, and ends all connections. */
  close(): Promise<void>;
}

/** Opens a store; the SDK is loaded and the client made by the first object. */
export function openStore(options: StoreOptions): Store {
  const pending = new Set<Promise<unknown>>();
  let client: Promise<S3Client> | undefined;

  const connected = () => {
    client ??= connect(options).catch((error: unknown) => {
      // The next one tries again.
      client = undefined;
      throw error;
    });
    return client;
  };

  const put: Store['put'] = async (item, signal, onProgress) => {
    try {
      const client = await connected();
      const object = objectOf(options, item);
      await renewing(client, upload(client, object, options.part_size, signal, onProgress));
    } catch (error) {
      throw failure(error, `s3://${item.place.bucket}/${item.key}`);
    }
  };

  return {
    put: (...one) => {
      const putting = put(...one).finally(() => pending.delete(putting));
      pending.add(putting);
      return putting;
    },
    close: async () => {
      await Promise.allSettled(pending);
      const open = await client?.catch(() => undefined);
      open?.destroy();
    },
  };
}

async function connect(options: StoreOptions): Promise<S3Client> {
  const [{ S3Client }, settings] = await Promise.all([import('@aws-sdk/client-s3'), clientSettings(options)]);
  const config: S3ClientConfig = {
    ...settings,
    forcePathStyle: options.path_style,
    requestChecksumCalculation: options.checksum === 'none' ? 'WHEN_REQUIRED' : 'WHEN_SUPPORTED',
    // With it every large object would open a connection of its own.
    expectContinueHeader: false,
  };
  return new S3Client(config);
}

function objectOf(
  { checksum, storage_class, encryption, kms_key_id }: StoreOptions,
  { place, key, bytes, encoding }: Item,
): S3Object {
  return {
    Bucket: place.bucket,
    Key: key,
    Body: bytes,
    ContentType: 'application/x-ndjson',
    ContentEncoding: encoding,
    StorageClass: place.storageClass ?? storage_class,
    ServerSideEncryption: encryption,
    SSEKMSKeyId: kms_key_id,
    ChecksumAlgorithm: checksum === 'none' ? undefined : CHECKSUMS[checksum],
  };
}

const CHECKSUMS = { crc32: 'CRC32', crc32c: 'CRC32C', sha1: 'SHA1', sha256: 'SHA256' } as const;
