import type {
  CreateLogGroupCommandInput,
  PutLogEventsCommandInput,
  RejectedLogEventsInfo,
} from '@aws-sdk/client-cloudwatch-logs';
import { clientSettings, renewing } from '../aws/client.ts';
import type { AwsOptions } from '../aws/options.ts';

/** What the sink asks of CloudWatch Logs; calls reject with the client's own errors. */
export interface LogsApi {
  putEvents(input: PutLogEventsCommandInput, abortSignal: AbortSignal): Promise<RejectedLogEventsInfo>;
  createGroup(input: CreateLogGroupCommandInput): Promise<unknown>;
  createStream(logGroupName: string, logStreamName: string): Promise<unknown>;
  putRetention(logGroupName: string, retentionInDays: number): Promise<unknown>;
  /** Closes its connections. */
  destroy(): void;
}

/** Loads the client and makes one; connects to nothing. */
export async function loadApi(options: AwsOptions): Promise<LogsApi> {
  const [sdk, settings] = await Promise.all([
    import('@aws-sdk/client-cloudwatch-logs'),
    clientSettings(options),
  ]);
  const client = new sdk.CloudWatchLogsClient(settings);
  return {
    putEvents: async (input, abortSignal) => {
      const sending = client.send(new sdk.PutLogEventsCommand(input), { abortSignal });
      const answer = await renewing(client, sending);
      return answer.rejectedLogEventsInfo ?? {};
    },
    createGroup: (input) => renewing(client, client.send(new sdk.CreateLogGroupCommand(input))),
    createStream: (logGroupName, logStreamName) =>
      renewing(client, client.send(new sdk.CreateLogStreamCommand({ logGroupName, logStreamName }))),
    putRetention: (logGroupName, retentionInDays) =>
      renewing(client, client.send(new sdk.PutRetentionPolicyCommand({ logGroupName, retentionInDays }))),
    destroy: () => client.destroy(),
  };
}

/** Whether an error is the service's of this name. */
export const isNamed = (error: unknown, ...names: readonly string[]): boolean =>
  error instanceof Error && names.includes(error.name);
