import { z } from 'zod';
import { duration } from '../../config/units.ts';

/** Options of every backend that speaks to AWS or to a service with the same interface. */
export const awsOptions = {
  region: z.string().min(1).describe('Region, e.g. us-east-1.'),
  endpoint: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('Address of a compatible service; absent: AWS.'),
  profile: z.string().min(1).optional().describe('Profile of the shared AWS configuration files.'),
  credentials: z
    .strictObject({
      access_key_id: z.string().min(1),
      secret_access_key: z.string().min(1).describe('Best taken from an environment variable or a file.'),
      session_token: z.string().min(1).optional(),
    })
    .optional()
    .describe('Fixed credentials; absent: the usual chain (environment, profile, container, instance).'),
  max_connections: z.int().min(1).max(1024).default(16).describe('Connections kept alive and reused.'),
  connect_timeout: duration().prefault('5s').describe('Time to connect.'),
  request_timeout: duration().prefault('30s').describe('Time for one request, its answer included.'),
};

/** What `awsOptions` comes out as. */
export type AwsOptions = z.output<z.ZodObject<typeof awsOptions>>;
