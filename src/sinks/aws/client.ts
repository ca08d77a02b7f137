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
