// What an idle connection costs in memory.
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { pause } from './rig/clock.js';
import { send } from './rig/load.js';
import { median } from './rig/numbers.js';
import { readOptions } from './rig/options.js';
import { machineLine } from './rig/proc.js';
import { createScratch, removeScratch } from './rig/scratch.js';
import { configPath, delivered, startSidecar } from './rig/sidecar.js';
import { isMain, printReport } from './rig/table.js';

const SPEC = {
  usage: 'connections.js',
  about: 'Memory of a connection that has sent one message and now is idle, after a full garbage collection.',
  defaults: { rounds: 3, connections: 4000, churn: 50_000 },
  lines: {
    rounds: 'fresh processes; the median is shown',
    connections:
      'idle connections; RSS moves by some MB by itself, so a thousand are too few for a sharp figure',
    churn: 'messages sent before each measurement, so that the program is in its working state',
  },
};

const TARGET_BYTES = 10_000;
const COLLECT = new URL('rig/collect.js', import.meta.url).href;

/**
 * @param {typeof SPEC.defaults} options
 * @param {(text: string) => void} say
 */
export async function run({ rounds, connections, churn }, say) {
  const results = [];
  for (let round = 1; round <= rounds; round++) {
    const result = await measureOnce(connections, churn);
    results.push(result);
    say(`  round ${round}: RSS ${kilobytes(result.rss)}, live ${kilobytes(result.live)} a connection`);
  }
  const of = (key) => median(results.map((result) => result[key]));
  const drift = median(results.map(({ drift }) => Math.abs(drift)));
  const verdict = drift < TARGET_BYTES / 2 ? { reached: of('rss') <= TARGET_BYTES } : {};
  const note = `live objects ${kilobytes(of('live'))}; RSS moved by ${kilobytes(drift)} without connections`;
  const name = `RSS of one of ${connections} idle connections`;
  return { rows: [{ name, value: kilobytes(of('rss')), target: '≤ 10 KB', ...verdict, note }] };
}

/** Bytes a connection: with the connections minus without; `drift`: RSS of two measurements without, the same way. */
async function measureOnce(connections, churn) {
  const folder = createScratch(churn * 6 * 450);
  const env = { BENCH_MEMORY: join(folder, 'memory'), NODE_OPTIONS: `--import=${COLLECT}` };
  // What is remembered of traces comes and goes; it is not what is measured.
  const set = [
    'correlation.max_traces=1',
    'correlation.max_messages=1',
    `limits.max_connections=${connections + 24}`,
  ];
  const sidecar = await startSidecar({ config: configPath('throughput.yaml'), folder, env, set });
  let sent = 0;
  let count = 0;
  const settle = async () => {
    sent += (await send(sidecar.tcp, { messages: churn, finish: true })).messages;
    await delivered(sidecar, sent);
    count += 1;
    return collected(sidecar.pid, join(folder, 'memory', `${count}.json`));
  };
  await settle();
  await settle();
  const [first, second] = [await settle(), await settle()];
  const sockets = await openIdle(sidecar.tcp, connections);
  sent += connections;
  const loaded = await settle();
  const alive = (await sidecar.metrics()).sum('sidecar_connections');
  if (alive !== connections) throw new Error(`${alive} of ${connections} connections are open`);
  for (const socket of sockets) socket.destroy();
  await sidecar.stop();
  removeScratch(folder);
  const each = (key) => (loaded[key] - second[key]) / connections;
  return { rss: each('rss'), live: each('live'), drift: (second.rss - first.rss) / connections };
}

/** Has the sidecar collect its garbage; what is left then. */
async function collected(pid, path) {
  process.kill(pid, 'SIGUSR2');
  for (let waited = 0; !existsSync(path); waited += 50) {
    if (waited > 20_000) throw new Error('the sidecar did not say what memory it has');
    await pause(50);
  }
  return JSON.parse(readFileSync(path, 'utf8'));
}

/** Opens connections that send one critical message each and stay. */
async function openIdle(tcp, count) {
  const [host = '127.0.0.1', port] = tcp.split(':');
  const data = '"type":"event","data":{"level":"error","message":"here"}';
  const sockets = Array.from({ length: count }, () => connect({ host, port: Number(port) }));
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  for (const socket of sockets) {
    socket.write(`{"source":"db-loader","timestamp":"${new Date().toISOString()}",${data}}\n`);
  }
  return sockets;
}

const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1)} KB`;

if (isMain(import.meta.url)) {
  const options = readOptions(SPEC);
  console.log(machineLine());
  const { rows } = await run(options, console.log);
  printReport('Connections', rows);
  process.exit(0);
}
