import type { S3Client, S3ClientConfig, StorageClass } from '@aws-sdk/client-s3';
import { clientSettings } from '../aws/client.ts';
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

/** A store of objects. */
export interface Store {
  /** Puts an object; rejects as a lane wants it. */
  put(
    place: Place,
    key: string,
    bytes: Buffer,
    encoding: string | undefined,
    signal: AbortSignal,
  ): Promise<void>;
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

  const put: Store['put'] = async (place, key, bytes, encoding, signal) => {
    const object = objectOf(options, place, key, bytes, encoding);
    try {
      await upload(await connected(), object, options.part_size, signal);
    } catch (error) {
      throw failure(error, `s3://${place.bucket}/${key}`);
    }
  };

  return {
    put: (...object) => {
      const putting = put(...object).finally(() => pending.delete(putting));
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
  { bucket, storageClass = storage_class }: Place,
  key: string,
  bytes: Buffer,
  encoding: string | undefined,
): S3Object {
  return {
    Bucket: bucket,
    Key: key,
    Body: bytes,
    ContentType: 'application/x-ndjson',
    ContentEncoding: encoding,
    StorageClass: storageClass,
    ServerSideEncryption: encryption,
    SSEKMSKeyId: kms_key_id,
    ChecksumAlgorithm: checksum === 'none' ? undefined : CHECKSUMS[checksum],
  };
}

const CHECKSUMS = { crc32: 'CRC32', crc32c: 'CRC32C', sha1: 'SHA1', sha256: 'SHA256' } as const;
