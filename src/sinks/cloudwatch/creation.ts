import type { LogGroupClass } from '@aws-sdk/client-cloudwatch-logs';
import type { SinkContext } from '../../deliver/sink.ts';
import { isNamed, type LogsApi } from './api.ts';
import { logsFailureOf } from './failure.ts';
import type { Place } from './place.ts';

/** How groups are made. */
export interface CreationOptions {
  readonly create: boolean;
  readonly retentionDays: number | undefined;
  readonly logGroupClass: LogGroupClass | undefined;
  readonly kmsKeyId: string | undefined;
}

/** Makes groups and streams that are missing. */
export interface Creation {
  /** Resolves when the place is there. Rejects with what a lane retries: nothing here is any message's fault. */
  make(api: LogsApi, place: Place): Promise<void>;
  /** Sets the retention of a group that was made before, where that failed. */
  settle(api: LogsApi, place: Place): Promise<void>;
}

/** A group is made by one task at a time, whoever else waits for it, and its retention is set once. */
export function createCreation(
  { create, retentionDays, logGroupClass, kmsKeyId }: CreationOptions,
  { log, backend }: Pick<SinkContext, 'log' | 'backend'>,
): Creation {
  const making = new Map<string, Promise<void>>();
  /** Groups that we made and whose retention is not set yet. */
  const owed = new Map<string, number>();

  const settle = async (api: LogsApi, { group }: Place) => {
    const days = owed.get(group);
    if (days === undefined) return;
    owed.delete(group);
    try {
      await api.putRetention(group, days);
    } catch (error) {
      if (isNamed(error, 'ResourceNotFoundException')) return;
      if (isNamed(error, 'AccessDeniedException', 'InvalidParameterException')) {
        const fields = { backend, log_group: group, retention_days: days, error: String(error) };
        log.warn(fields, 'The retention of a new log group cannot be set: its events are kept for ever');
        return;
      }
      owed.set(group, days);
      throw retried(error, `cannot set the retention of log group ${group}`);
    }
  };

  const makeGroup = async (api: LogsApi, place: Place) => {
    const { group } = place;
    try {
      await api.createGroup({
        logGroupName: group,
        ...(kmsKeyId !== undefined && { kmsKeyId }),
        ...(logGroupClass !== undefined && { logGroupClass }),
      });
    } catch (error) {
      // Another sidecar makes it, or has: it is theirs, and so is its retention.
      if (isNamed(error, 'ResourceAlreadyExistsException', 'OperationAbortedException')) return;
      throw retried(error, `cannot make log group ${group}`);
    }
    const days = place.retentionDays ?? retentionDays;
    log.info({ backend, log_group: group, retention_days: days }, 'Made a log group');
    if (days !== undefined) owed.set(group, days);
    await settle(api, place);
  };

  const groupOf = (api: LogsApi, place: Place): Promise<void> => {
    const found = making.get(place.group);
    if (found !== undefined) return found;
    const task = makeGroup(api, place).finally(() => making.delete(place.group));
    making.set(place.group, task);
    return task;
  };

  const hasStream = async (api: LogsApi, { group, stream }: Place): Promise<boolean> => {
    try {
      await api.createStream(group, stream);
      return true;
    } catch (error) {
      if (isNamed(error, 'ResourceAlreadyExistsException')) return true;
      if (isNamed(error, 'ResourceNotFoundException')) return false;
      throw retried(error, `cannot make log stream ${stream} of ${group}`);
    }
  };

  return {
    settle,
    make: async (api, place) => {
      const { group, stream } = place;
      if (!create) {
        throw new Error(`log group ${group} or its stream ${stream} is missing, and \`create\` is false`);
      }
      if (await hasStream(api, place)) return;
      await groupOf(api, place);
      if (!(await hasStream(api, place))) throw new Error(`log group ${group} is not there yet`);
    },
  };
}

/** An error for the lane to retry, with what was tried; throttling stays what it is. */
function retried(error: unknown, what: string): Error {
  const failure = logsFailureOf(error);
  return failure.name === 'Throttled' ? failure : new Error(`${what}: ${failure.message}`, { cause: error });
}
