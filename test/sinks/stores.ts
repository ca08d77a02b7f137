// S3 sinks against a store, and what is in the store.
import { gunzipSync } from 'node:zlib';
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3';
import type { Sink, SinkContext } from '../../src/deliver/sink.ts';
import s3 from '../../src/sinks/s3.ts';
import { MOTO_CREDENTIALS } from '../moto.ts';
import { afterwards, close, idsOf, sinkContext } from './support.ts';

// As main does: its advice is not for us.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';

/** What `open` is given for a store on this machine. */
export const localOptions = (endpoint: string, more: object = {}) =>
  s3.options.parse({
    region: 'us-east-1',
    endpoint,
    path_style: true,
    bucket: 'logs',
    credentials: MOTO_CREDENTIALS,
    ...more,
  });

/** A sink that is closed after the test. */
export function openS3(endpoint: string, more: object = {}, context: SinkContext = sinkContext()): Sink {
  const sink = s3.open(localOptions(endpoint, more), context);
  afterwards(() => close(sink));
  return sink;
}

export interface StoredObject {
  readonly key: string;
  readonly bytes: Buffer;
  /** Its lines, decompressed. */
  readonly text: string;
  readonly ids: readonly string[];
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
  readonly storageClass: string | undefined;
  readonly encryption: string | undefined;
  readonly etag: string | undefined;
}

/** Looks into a store; its client is closed after the test. */
export function lookInto(endpoint: string) {
  const client = new S3Client({
    region: 'us-east-1',
    endpoint,
    forcePathStyle: true,
    credentials: { accessKeyId: 'AKIATEST', secretAccessKey: 'secret' },
    maxAttempts: 5,
  });
  afterwards(() => client.destroy());
  const read = async (Bucket: string, Key: string): Promise<StoredObject> => {
    const got = await client.send(new GetObjectCommand({ Bucket, Key }));
    const bytes = Buffer.from(await got.Body!.transformToByteArray());
    const text = (Key.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString();
    return {
      key: Key,
      bytes,
      text,
      ids: idsOf(text),
      contentType: got.ContentType,
      contentEncoding: got.ContentEncoding,
      storageClass: got.StorageClass,
      encryption: got.ServerSideEncryption,
      etag: got.ETag,
    };
  };
  const keys = async (Bucket = 'logs') => {
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket }));
    return Contents.map(({ Key }) => Key!);
  };
  return {
    createBucket: async (Bucket = 'logs') => void (await client.send(new CreateBucketCommand({ Bucket }))),
    keys,
    /** All objects of a bucket, by key. */
    objects: async (bucket = 'logs') => {
      const found: StoredObject[] = [];
      for (const key of await keys(bucket)) found.push(await read(bucket, key));
      return found;
    },
    /** Uploads in parts that were neither ended nor removed. */
    unfinished: async (Bucket = 'logs') =>
      (await client.send(new ListMultipartUploadsCommand({ Bucket }))).Uploads?.length ?? 0,
  };
}
