// What the s3 sink makes of answers, and how it asks: against a server that answers as it is told.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { lastValueFrom, tap } from 'rxjs';
import { mergeBatches } from '../../src/batch.ts';
import { Permanent, Throttled } from '../../src/deliver/sink.ts';
import s3 from '../../src/sinks/s3.ts';
import { type Answer, type Asked, refusal, startFakeStore } from './fake-store.ts';
import { localOptions, openS3 } from './stores.ts';
import { afterwards, batch, close, send, sinkContext, tempDir } from './support.ts';

/** How a send ends that is answered so, and how often it asked. */
async function failureBy(answer: Answer) {
  const store = await startFakeStore(() => answer);
  const error = await send(openS3(store.endpoint), batch(2)).catch((thrown: unknown) => thrown);
  return { error: error as Error, requests: store.asked.length };
}

describe('throttling pauses the lane', () => {
  test.each<[string, Answer, number]>([
    ['SlowDown', refusal(503, 'SlowDown'), 1000],
    ['SlowDown with a time', refusal(503, 'SlowDown', { 'retry-after': '7' }), 7000],
    ['RequestLimitExceeded', refusal(400, 'RequestLimitExceeded'), 1000],
    ['429', refusal(429, 'Whatever'), 1000],
    ['a load balancer that says 503 in HTML', { status: 503, body: '<html>busy</html>' }, 1000],
  ])('%s', async (_, answer, pauseMs) => {
    const { error, requests } = await failureBy(answer);
    expect(error).toBeInstanceOf(Throttled);
    expect((error as Throttled).retryAfterMs).toBe(pauseMs);
    // The lane retries, not the SDK.
    expect(requests).toBe(1);
  });
});

describe('what can be put right is tried again', () => {
  test.each<[string, Answer]>([
    ['AccessDenied', refusal(403, 'AccessDenied')],
    ['InvalidAccessKeyId', refusal(403, 'InvalidAccessKeyId')],
    ['SignatureDoesNotMatch', refusal(403, 'SignatureDoesNotMatch')],
    ['ExpiredToken', refusal(400, 'ExpiredToken')],
    ['TokenRefreshRequired', refusal(400, 'TokenRefreshRequired')],
    ['RequestTimeTooSkewed', refusal(403, 'RequestTimeTooSkewed')],
    ['NoSuchBucket', refusal(404, 'NoSuchBucket')],
    ['AuthorizationHeaderMalformed', refusal(400, 'AuthorizationHeaderMalformed')],
    ['PermanentRedirect', refusal(301, 'PermanentRedirect')],
    ['KMS.DisabledException', refusal(400, 'KMS.DisabledException')],
    ['RequestTimeout', refusal(400, 'RequestTimeout')],
    ['BadDigest', refusal(400, 'BadDigest')],
    ['InternalError', refusal(500, 'InternalError')],
  ])('%s', async (code, answer) => {
    const { error, requests } = await failureBy(answer);
    expect(error).not.toBeInstanceOf(Permanent);
    expect(error).not.toBeInstanceOf(Throttled);
    expect(error.message).toMatch(
      new RegExp(`^s3://logs/web/\\S+\\.jsonl\\.gz: ${code.replace('.', '\\.')}: because$`),
    );
    expect(requests).toBe(1);
  });

  test.each([
    [301, 'PermanentRedirect'],
    [400, 'AuthorizationHeaderMalformed'],
  ])('a bucket of another region: %d %s tells which', async (status, code) => {
    const { error } = await failureBy(refusal(status, code, { 'x-amz-bucket-region': 'eu-central-1' }));
    expect(error.message).toMatch(/: because \(set `region: eu-central-1`\)$/);
  });

  test.each([
    [400, 'Client sent an HTTP request to an HTTPS server.'],
    [403, '<html>not from here</html>'],
    [405, '<html>no uploads</html>'],
    [502, '<html>bad gateway</html>'],
  ])('an answer of status %d that is no S3, which the error says', async (status, body) => {
    const { error } = await failureBy({ status, body, headers: { 'content-type': 'text/html' } });
    expect(error).not.toBeInstanceOf(Permanent);
    expect(error).not.toBeInstanceOf(Throttled);
    expect(error.message).toMatch(
      new RegExp(`^s3://logs/web/\\S+: HTTP ${status}: the answer is not one of this service; .*endpoint`),
    );
  });

  test('a page that welcomes every request has stored nothing', async () => {
    const { error } = await failureBy({ status: 200, body: '<html>sign in</html>', headers: {} });
    expect(error).not.toBeInstanceOf(Permanent);
    expect(error.message).toMatch(/without an ETag/);
  });

  test('nobody listens', async () => {
    const sink = openS3('http://127.0.0.1:1');
    await expect(send(sink, batch(1))).rejects.toThrow(/ECONNREFUSED/);
  });
});

test('what is too large for a proxy goes to the dead letters', async () => {
  const { error } = await failureBy({ status: 413, body: '<html>too large</html>' });
  expect(error).toBeInstanceOf(Permanent);
});

test.each(['EntityTooLarge', 'KeyTooLongError', 'InvalidStorageClass', 'InvalidArgument'])(
  '%s sends the whole batch to the dead letters, undivided',
  async (code) => {
    const { error } = await failureBy(refusal(400, code));
    expect(error).toBeInstanceOf(Permanent);
    expect((error as Permanent).scope).toBe('batch');
  },
);

test('a send says that it gets on while it compresses; a retry is the same request, not made anew', async () => {
  const store = await startFakeStore((_, nth) =>
    nth === 1 ? refusal(500, 'InternalError') : { status: 200 },
  );
  const sink = openS3(store.endpoint);
  const sent = mergeBatches([batch(1), batch(1), batch(1)]);
  const signs: number[] = [];
  for (const expected of ['failed', { place: expect.stringMatching(/^s3:\/\/logs\/web\/.+\.jsonl\.gz$/) }]) {
    let emitted = 0;
    const sending$ = sink
      .send(sent, sink.address({}).target(sent.messages[0]!))
      .pipe(tap((sign) => void (sign === undefined && emitted++)));
    const ended = lastValueFrom(sending$).catch(() => 'failed');
    expect(await ended).toEqual(expected);
    signs.push(emitted);
  }
  expect(signs).toEqual([3, 0]);
  expect(store.asked.map(({ url }) => url)).toEqual([store.asked[0]!.url, store.asked[0]!.url]);
});

describe('requests', () => {
  test('path style, and one connection for all that follow each other', async () => {
    const store = await startFakeStore();
    const sink = openS3(store.endpoint);
    for (let n = 0; n < 5; n++) await send(sink, batch(1));
    expect(store.asked.map(({ method }) => method)).toEqual(Array(5).fill('PUT'));
    for (const { url } of store.asked) expect(url).toMatch(/^\/logs\/web\/2025\d{4}T/);
    expect(store.connections()).toBe(1);
  });

  test('an object of megabytes reuses the connection too', async () => {
    const store = await startFakeStore();
    const sink = openS3(store.endpoint, { compression: 'none' });
    for (let n = 0; n < 3; n++) await send(sink, batch(1, {}, { text: 'x'.repeat(3 * 2 ** 20) }));
    expect(store.connections()).toBe(1);
  });

  test('no more connections than allowed', async () => {
    const store = await startFakeStore();
    const sink = openS3(store.endpoint, { max_connections: 2 });
    const sources = ['a', 'b', 'c', 'd', 'e', 'f'];
    await Promise.all(sources.map((source) => send(sink, batch(1, { source }))));
    expect(store.asked).toHaveLength(6);
    expect(store.connections()).toBeLessThanOrEqual(2);
  });

  test('nothing is sent before the first batch, and closing an unused sink is nothing', async () => {
    const store = await startFakeStore();
    const sink = s3.open(localOptions(store.endpoint), sinkContext());
    sink.address({});
    await close(sink);
    expect(store.connections()).toBe(0);
  });

  test('a checksum goes along, none where there shall be none', async () => {
    const store = await startFakeStore();
    for (const checksum of ['crc32', 'none']) await send(openS3(store.endpoint, { checksum }), batch(1));
    const checksums = store.asked.map(({ headers }) =>
      Object.keys(headers).filter((name) => /^x-amz-(checksum|trailer|sdk-checksum)/.test(name)),
    );
    expect(checksums[0]).toContain('x-amz-checksum-crc32');
    expect(checksums[1]).toEqual([]);
  });

  test('KMS key and storage class go along', async () => {
    const store = await startFakeStore();
    const more = { encryption: 'aws:kms', kms_key_id: 'key-1', storage_class: 'GLACIER' };
    await send(openS3(store.endpoint, more), batch(1));
    expect(store.asked[0]!.headers).toMatchObject({
      'x-amz-server-side-encryption': 'aws:kms',
      'x-amz-server-side-encryption-aws-kms-key-id': 'key-1',
      'x-amz-storage-class': 'GLACIER',
    });
  });
});

describe('credentials', () => {
  const put = (name: string, value: string | undefined) => {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  };
  const set = (name: string, value: string | undefined) => {
    const before = process.env[name];
    afterwards(() => put(name, before));
    put(name, value);
  };
  const signedBy = async (more: object) => {
    const store = await startFakeStore();
    await send(openS3(store.endpoint, { credentials: undefined, ...more }), batch(1));
    const { authorization, 'x-amz-security-token': token } = store.asked[0]!.headers;
    return { id: /Credential=([^/]+)\/\d+\/us-east-1\/s3\//.exec(authorization ?? '')?.[1], token };
  };

  test('fixed', async () => {
    const credentials = { access_key_id: 'FIXED', secret_access_key: 's', session_token: 'of-session' };
    expect(await signedBy({ credentials })).toEqual({ id: 'FIXED', token: 'of-session' });
  });

  test('of the environment', async () => {
    set('AWS_PROFILE', undefined);
    set('AWS_ACCESS_KEY_ID', 'ENVIRONMENT');
    set('AWS_SECRET_ACCESS_KEY', 's');
    set('AWS_SESSION_TOKEN', undefined);
    expect(await signedBy({})).toEqual({ id: 'ENVIRONMENT' });
  });

  test('of a profile', async () => {
    const path = join(await tempDir(), 'credentials');
    await writeFile(path, '[other]\naws_access_key_id = PROFILE\naws_secret_access_key = s\n');
    set('AWS_SHARED_CREDENTIALS_FILE', path);
    set('AWS_CONFIG_FILE', path);
    expect(await signedBy({ profile: 'other' })).toEqual({ id: 'PROFILE' });
  });

  test('of a profile that expire are read again, as whoever renews them has written them meanwhile', async () => {
    const path = join(await tempDir(), 'credentials');
    const renew = (id: string) =>
      writeFile(
        path,
        `[other]\naws_access_key_id = ${id}\naws_secret_access_key = s\naws_session_token = t\n`,
      );
    set('AWS_SHARED_CREDENTIALS_FILE', path);
    set('AWS_CONFIG_FILE', path);
    const isOld = ({ headers }: Asked) => headers.authorization?.includes('Credential=OLD/') === true;
    const store = await startFakeStore((asked) =>
      isOld(asked) ? refusal(400, 'ExpiredToken') : { status: 200 },
    );
    const sink = openS3(store.endpoint, { credentials: undefined, profile: 'other' });
    await renew('OLD');
    await expect(send(sink, batch(1))).rejects.toThrow('ExpiredToken');
    await expect(send(sink, batch(1))).rejects.toThrow('ExpiredToken');
    await renew('NEW');
    await expect(send(sink, batch(1))).rejects.toThrow('ExpiredToken');
    await send(sink, batch(1));
    expect(store.asked.map(isOld)).toEqual([true, true, true, false]);
  });

  test('none at all: tried again, not lost', async () => {
    for (const name of ['AWS_PROFILE', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) set(name, undefined);
    for (const name of ['AWS_SHARED_CREDENTIALS_FILE', 'AWS_CONFIG_FILE']) set(name, '/dev/null');
    set('AWS_EC2_METADATA_DISABLED', 'true');
    const error = await signedBy({}).catch((thrown: unknown) => thrown);
    expect(error).not.toBeInstanceOf(Permanent);
    expect(String(error)).toContain('CredentialsProviderError');
  });
});
