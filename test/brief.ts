// The brief's configuration before real servers: PostgreSQL, S3, CloudWatch Logs and a folder.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CloudWatchLogsClient, GetLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import { MOTO_CREDENTIALS, type Moto, startMoto } from './moto.ts';
import { createFolder, linesOf, ROOT, type RunningSidecar, startSidecar } from './processes.ts';
import { type Fields, type Server, startServer } from './sinks/postgres-server.ts';
import { lookInto } from './sinks/stores.ts';

/** The brief's own text. */
export const BRIEF = readFileSync(join(ROOT, 'config', 'sidecar-config.yaml'), 'utf8');

/** A record as it was delivered. */
// biome-ignore lint/suspicious/noExplicitAny: tests look into records of all shapes
export type Delivered = any;

/** Where a sidecar's servers are. */
export interface Places {
  readonly postgres: string;
  readonly s3: string;
  readonly logs: string;
}

/** The servers, for one test file. */
export interface World {
  readonly moto: Moto;
  readonly server: Server;
  /** An empty database, bucket and CloudWatch; where they are. */
  fresh(): Promise<Places>;
  /** Starts a sidecar on the brief's configuration, or an edit of it; hosts and credentials come from outside. */
  start(places: Places, yaml?: string, more?: readonly string[]): Promise<RunningSidecar>;
  /** Rows in the database that `fresh` made last, in order of arrival; none before there is a table. */
  rows(): Promise<Fields[]>;
  /** Records in the bucket, in order of their keys. */
  objects(): Promise<Delivered[]>;
  /** Records in a stream, oldest first; none before there is one. */
  stream(name: string): Promise<Delivered[]>;
  /** Records in the folder. */
  file(sidecar: RunningSidecar): Delivered[];
  close(): Promise<void>;
}

const BUCKET = 'monitoring-logs';
const GROUP = '/app/monitoring';
const parse = (text: string): Delivered => JSON.parse(text);

/** Starts the servers. */
export async function startWorld(): Promise<World> {
  const [moto, server] = await Promise.all([startMoto(), startServer()]);
  const logs = new CloudWatchLogsClient({
    region: 'us-east-1',
    endpoint: moto.endpoint,
    credentials: {
      accessKeyId: MOTO_CREDENTIALS.access_key_id,
      secretAccessKey: MOTO_CREDENTIALS.secret_access_key,
    },
  });
  let database = '';

  const stream = async (logStreamName: string, nextToken?: string): Promise<Delivered[]> => {
    const command = new GetLogEventsCommand({
      logGroupName: GROUP,
      logStreamName,
      startFromHead: true,
      nextToken,
    });
    try {
      const { events = [], nextForwardToken } = await logs.send(command);
      const records = events.map(({ message = '' }) => parse(message));
      return records.length === 0 ? [] : [...records, ...(await stream(logStreamName, nextForwardToken))];
    } catch (error) {
      if ((error as Error).name === 'ResourceNotFoundException') return [];
      throw error;
    }
  };

  return {
    moto,
    server,
    fresh: async () => {
      database = await server.createDatabase();
      await moto.reset();
      await lookInto(moto.endpoint).createBucket(BUCKET);
      return { postgres: server.url(database), s3: moto.endpoint, logs: moto.endpoint };
    },
    start: (places, yaml = BRIEF, more = []) => {
      const folder = createFolder();
      const nas = join(folder, 'nas');
      return startSidecar({
        folder,
        yaml,
        env: {
          DATABASE_URL: places.postgres,
          AWS_ACCESS_KEY_ID: MOTO_CREDENTIALS.access_key_id,
          AWS_SECRET_ACCESS_KEY: MOTO_CREDENTIALS.secret_access_key,
        },
        set: [
          'tcp={ host: 127.0.0.1, port: 0 }',
          'http.port=0',
          'batch.max_age=50ms',
          'reload={ debounce: 20ms, poll: 500ms }',
          `backends.timescaledb.connection_string="\${DATABASE_URL}"`,
          `backends.nfs-file.base_path=${nas}`,
          `routing.queue-service[1].config.path=${join(nas, 'queue-service.jsonl')}`,
          `backends.s3.endpoint=${places.s3}`,
          'backends.s3.path_style=true',
          `backends.cloudwatch.endpoint=${places.logs}`,
          ...more,
        ],
      });
    },
    rows: async () => {
      const [{ there }] = await server.query(
        "SELECT to_regclass('monitoring_events') AS there",
        [],
        database,
      );
      return there === null ? [] : server.query('SELECT * FROM monitoring_events ORDER BY id', [], database);
    },
    objects: async () => {
      const found = await lookInto(moto.endpoint).objects(BUCKET);
      return found.flatMap(({ key, text }) =>
        text
          .split('\n')
          .filter(Boolean)
          .map((line) => ({ key, ...parse(line) })),
      );
    },
    stream,
    file: ({ folder }) => linesOf(join(folder, 'nas', 'queue-service.jsonl')).map(parse),
    close: async () => {
      logs.destroy();
      await Promise.all([moto.stop(), server.remove()]);
    },
  };
}
