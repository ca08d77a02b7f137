import type { AbortMultipartUploadCommand, PutObjectCommandInput, S3Client } from '@aws-sdk/client-s3';

/** An object to be. */
export type S3Object = PutObjectCommandInput & { readonly Body: Buffer };

/** Parts on their way at the same time. */
const PARTS_AT_ONCE = 4;
const MAX_PARTS = 10_000;

/**
 * Puts an object, one larger than `partBytes` in parts, of which each calls `onProgress`. If it fails or `signal` aborts, rejects once no part is left
 * behind, or could not be removed.
 */
export async function upload(
  client: S3Client,
  object: S3Object,
  partBytes: number,
  signal: AbortSignal,
  onProgress: () => void,
): Promise<void> {
  const size = object.Body.length;
  if (size <= partBytes) {
    const { PutObjectCommand } = await import('@aws-sdk/client-s3');
    const { ETag } = await client.send(new PutObjectCommand(object), { abortSignal: signal });
    if (ETag === undefined)
      throw new Error('it was taken without an ETag: `endpoint` does not lead to a store');
    return;
  }
  const { Upload } = await import('@aws-sdk/lib-storage');
  const partSize = Math.max(partBytes, Math.ceil(size / MAX_PARTS));
  const sender = await partSender(client, signal, onProgress);
  await new Upload({ client: sender, params: object, partSize, queueSize: PARTS_AT_ONCE }).done();
}

/**
 * `client` for one upload. `Upload` itself would let parts that are on their way run on, when it is aborted and when
 * another part has failed. What begins and what removes an upload always runs to its end: else it could not be removed.
 */
async function partSender(client: S3Client, signal: AbortSignal, onProgress: () => void): Promise<S3Client> {
  const { UploadPartCommand, CompleteMultipartUploadCommand } = await import('@aws-sdk/client-s3');
  const failed = new AbortController();
  const abortSignal = AbortSignal.any([signal, failed.signal]);
  const send = async (command: AbortMultipartUploadCommand) => {
    const mayStop = [UploadPartCommand, CompleteMultipartUploadCommand].some(
      (kind) => command instanceof kind,
    );
    try {
      const answer = await client.send(command, mayStop ? { abortSignal } : {});
      onProgress();
      return answer;
    } catch (error) {
      failed.abort();
      throw error;
    }
  };
  return Object.create(client, { send: { value: send } }) as S3Client;
}
