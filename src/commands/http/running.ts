import { z } from 'zod';
import { ask } from './ask.ts';
import { NEEDS_TOKEN } from './token.ts';

/** Where a running sidecar is. */
export interface RunningAt {
  /** Its own folder, absolute. */
  readonly dataDir: string;
  /** Where it takes telemetry in plain text: `host:port` or a Unix socket's path; `undefined`: nowhere. */
  readonly telemetry: string | undefined;
}

const shape = z.looseObject({
  data_dir: z.string(),
  listening: z.array(z.string()),
  config: z.looseObject({ tls: z.unknown().optional() }),
});

/** Asks the sidecar at `url` where it is. Rejects with `Error` that says what to do. */
export async function findSidecar(url: string, token?: string): Promise<RunningAt> {
  const answer = await ask(url, '/api/v1/config', { token }).catch((error: Error) => {
    throw new Error(
      `${url} does not answer: ${error.message}. Give the sidecar's address with --url, or --data-dir.`,
    );
  });
  if (answer.status === 401) throw new Error(`${url} asks for its token: ${NEEDS_TOKEN}`);
  const { data } = shape.safeParse(answer.body);
  if (data === undefined) {
    throw new Error(
      `${url} answers with status ${answer.status}, which no sidecar says; use --url or --data-dir.`,
    );
  }
  const isTls = data.config.tls !== undefined && data.config.tls !== null;
  const socket = data.listening.find((address) => address.startsWith('/'));
  return { dataDir: data.data_dir, telemetry: socket ?? (isTls ? undefined : data.listening[0]) };
}
