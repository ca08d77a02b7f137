import type { Agent as HttpAgent } from 'node:http';
import type { NodeHttpHandler } from '@smithy/node-http-handler';
import type { z } from 'zod';
import type { awsOptions } from './options.ts';

/** Options of a backend that speaks to AWS, checked. */
export type AwsOptions = z.output<z.ZodObject<typeof awsOptions>>;

/** What the constructor of every AWS client takes of them. */
export interface ClientSettings {
  readonly region: string;
  readonly endpoint?: string;
  readonly profile?: string;
  readonly credentials?: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string;
  };
  /** One: the lane retries, and knows what was taken. */
  readonly maxAttempts: 1;
  /** Keeps connections open between requests; `client.destroy()` closes them. */
  readonly requestHandler: NodeHttpHandler;
}

/** The settings of one client. Loads the HTTP handler: call it when the first request is at hand. */
export async function clientSettings(options: AwsOptions): Promise<ClientSettings> {
  const { region, endpoint, profile, credentials } = options;
  return {
    region,
    maxAttempts: 1,
    requestHandler: await requestHandler(options),
    ...(endpoint !== undefined && { endpoint }),
    ...(profile !== undefined && { profile }),
    ...(credentials !== undefined && {
      credentials: {
        accessKeyId: credentials.access_key_id,
        secretAccessKey: credentials.secret_access_key,
        ...(credentials.session_token !== undefined && { sessionToken: credentials.session_token }),
      },
    }),
  };
}

async function requestHandler(options: AwsOptions): Promise<NodeHttpHandler> {
  const { NodeHttpHandler } = await import('@smithy/node-http-handler');
  const agent = { keepAlive: true, maxSockets: options.max_connections } satisfies ConstructorParameters<
    typeof HttpAgent
  >[0];
  return new NodeHttpHandler({
    httpAgent: agent,
    httpsAgent: agent,
    connectionTimeout: options.connect_timeout,
    requestTimeout: options.request_timeout,
    throwOnRequestTimeout: true,
    // The time-out of a request ends with the answer's head; this one holds for its body.
    socketTimeout: options.request_timeout,
  });
}
