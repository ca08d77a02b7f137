import { resolve } from 'node:path';
import { firstValueFrom } from 'rxjs';
import { MAX_FILE_BYTES } from '../config/document.ts';
import { readText, readTextSync, reasonOf } from '../config/file.ts';
import type { Override } from '../config/overrides.ts';
import { loadSinks } from '../deliver/registry.ts';
import { ConfigError } from '../sidecar/reload.ts';
import { type Sidecar, startSidecar } from '../sidecar/sidecar.ts';
import { EXIT, type Host } from './host.ts';

export interface RunOptions {
  /** The configuration file. */
  readonly config: string;
  /** Settings that take the place of the file's, in order. */
  readonly overrides: readonly Override[];
  /** Say what listens where in sentences, not as one line of JSON. */
  readonly human: boolean;
}

/** `sidecar run`: runs until told to stop. Resolves to the exit code. */
export async function run({ config: path, overrides, human }: RunOptions, host: Host): Promise<number> {
  const { out, log } = host;
  // From here on: one that comes while the sidecar starts counts as well.
  const stopped = firstValueFrom(host.stop$);
  let sidecar: Sidecar;
  try {
    const text = await readConfig(path);
    const sinks = await loadSinks();
    const readFile = (file: string) => readTextSync(file, MAX_FILE_BYTES);
    sidecar = await startSidecar({ ...host, path, text, sinks, overrides, readFile }, host);
  } catch (error) {
    if (error instanceof ConfigError) {
      for (const issue of error.issues) log.error({}, issue);
      return EXIT.failed;
    }
    log.error({}, error instanceof Error ? error.message : String(error));
    return EXIT.cannotOpen;
  }
  out.write(human ? welcome(sidecar, path) : `${JSON.stringify(addresses(sidecar, path))}\n`);
  await stopped;
  log.info({}, 'stopping: reading what clients have sent, then delivering');
  const { messages, cutOff } = await sidecar.close();
  if (cutOff > 0) {
    log.warn(
      { clients: cutOff },
      'clients still sent when their time was over; what was not read of them is lost unless they send it again',
    );
  }
  if (messages === 0) {
    const read = cutOff === 0 ? '' : ' of what was read';
    log.info({ lost: 0 }, `stopped; nothing${read} was lost`);
    return EXIT.ok;
  }
  log.error({ lost: messages }, `stopped; ${messages} messages could not be delivered and are lost`);
  return EXIT.lost;
}

async function readConfig(path: string): Promise<string> {
  try {
    return await readText(path, MAX_FILE_BYTES);
  } catch (error) {
    throw new ConfigError([`${path}: cannot read the file: ${reasonOf(error)}`]);
  }
}

const addresses = ({ listening, http, config }: Sidecar, path: string) => ({
  msg: 'listening',
  tcp: listening[0],
  listening,
  ...(http !== undefined && { http: http.replace('http://', '') }),
  config: path,
  data_dir: resolve(config.data_dir),
});

function welcome(sidecar: Sidecar, path: string): string {
  const { listening, link, config } = sidecar;
  const files = Object.values(config.backends).flatMap(({ type, options }) =>
    type === 'filesystem' && 'base_path' in options ? [String(options.base_path)] : [],
  );
  const [first = ''] = listening;
  const tcp = /^(.*):(\d+)$/.exec(first);
  const record = '{"source":"shell","type":"event","data":{"level":"info","message":"hello"}}';
  const nc = tcp === null ? `nc -w1 -U ${first}` : `nc -w1 ${tcp[1]?.replace(/[[\]]/g, '')} ${tcp[2]}`;
  const lines = [
    'The sidecar is running.',
    `  telemetry  ${listening.join(', ')}  (JSON lines or MessagePack)`,
    ...(link === undefined ? [] : [`  web        ${link}`]),
    `  rules      ${path}  (edit it while data flows)`,
    ...(files.length === 0
      ? []
      : [`  files      ${[...new Set(files)].map((file) => resolve(file)).join(', ')}`]),
    '',
    'Try it:',
    `  echo '${record}' | ${nc}`,
    '',
    'Ctrl+C stops it; nothing that was received is lost.',
  ];
  return `${lines.join('\n')}\n`;
}
