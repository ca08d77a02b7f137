import { awsErrorOf } from './failure.ts';
import type { AwsOptions } from './options.ts';

/**
 * What every AWS client is made with. One attempt a request, as the lane retries; connections are kept alive and
 * reused; credentials are the fixed ones, or the SDK's usual chain. Loads the SDK's HTTP side on the first call.
 */
export async function clientSettings(options: AwsOptions) {
  const { NodeHttpHandler } = await import('@smithy/node-http-handler');
  const { region, endpoint, profile, credentials } = options;
  const agent = { keepAlive: true, maxSockets: options.max_connections };
  return {
    region,
    ...(endpoint !== undefined && { endpoint }),
    ...(profile !== undefined && { profile }),
    ...(credentials !== undefined && {
      credentials: {
        accessKeyId: credentials.access_key_id,
        secretAccessKey: credentials.secret_access_key,
        ...(credentials.session_token !== undefined && { sessionToken: credentials.session_token }),
      },
    }),
    // Of the shared files, which the SDK would read once for all; see `renewing`.
    ignoreCache: true,
    maxAttempts: 1,
    requestHandler: new NodeHttpHandler({
      httpAgent: agent,
      httpsAgent: agent,
      connectionTimeout: options.connect_timeout,
      requestTimeout: options.request_timeout,
      // Without it the handler only warns.
      throwOnRequestTimeout: true,
    }),
  };
}

/** Codes that say that the service takes no request signed with these credentials. */
const REFUSED: ReadonlySet<string> = new Set([
  'ExpiredToken',
  'ExpiredTokenException',
  'InvalidAccessKeyId',
  'InvalidClientTokenId',
  'InvalidSignatureException',
  'InvalidToken',
  'SignatureDoesNotMatch',
  'TokenRefreshRequired',
  'UnrecognizedClientException',
]);

/** The part of a client that signs. */
interface Signing {
  readonly config: {
    readonly credentials: (properties: { readonly forceRefresh: boolean }) => Promise<unknown>;
  };
}

/**
 * Settles as `call` does. If it failed for its credentials, they are looked for anew first, for the next one: those of a
 * file have no end that the SDK knows of, and whoever renews them there does not start the sidecar again.
 */
export async function renewing<T>({ config }: Signing, call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (REFUSED.has(awsErrorOf(error).code)) await config.credentials({ forceRefresh: true }).catch(() => {});
    throw error;
  }
}
