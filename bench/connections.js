// What an idle connection costs in memory.
import { once } from 'node:events';
import { connect } from 'node:net';
import { pause } from './rig/clock.js';
import { send } from './rig/load.js';
import { median } from './rig/numbers.js';
import { readOptions } from './rig/options.js';
import { machineLine, rssBytes } from './rig/proc.js';
import { createScratch, removeScratch } from './rig/scratch.js';
import { configPath, delivered, startSidecar } from './rig/sidecar.js';
import { isMain, printReport } from './rig/table.js';

const SPEC = {
  usage: 'connections.js',
  about: 'Resident memory a connection that has sent one message and now is idle.',
  defaults: { rounds: 3, connections: 1000, churn: 200_000 },
  lines: {
    rounds: 'fresh processes; the median is shown',
    connections: 'idle connections; the default limit of the sidecar is 1,024',
    churn: 'messages sent before each measurement, so that the heap is in its working state',
  },
};

/**
 * @param {typeof SPEC.defaults} options
 * @param {(text: string) => void} say
 */
export async function run({ rounds, connections, churn }, say) {
  const costs = [];
  const drifts = [];
  for (let round = 1; round <= rounds; round++) {
    const { cost, drift } = await measureOnce(connections, churn);
    costs.push(cost);
    drifts.push(drift);
    say(`  round ${round}: ${kilobytes(cost)} a connection`);
  }
  const cost = median(costs);
  const note = `without any, RSS moved by ${kilobytes(median(drifts))} a connection between two measurements`;
  const row = {
    name: `RSS of one of ${connections} idle connections`,
    value: kilobytes(cost),
    target: '≤ 10 KB',
  };
  return { rows: [{ ...row, reached: cost <= 10_000, note }] };
}

/**
 * Measures three times, after the same churn each: two baselines, whose difference is the noise, then with the
 * connections. The churn makes the collector move what a connection keeps out of the young generation.
 */
async function measureOnce(connections, churn) {
  const folder = createScratch(churn * 6 * 450);
  const sidecar = await startSidecar({ config: configPath('throughput.yaml'), folder });
  let sent = 0;
  const settle = async () => {
    sent += (await send(sidecar.tcp, { messages: churn, finish: true })).messages;
    await delivered(sidecar, sent);
    await pause(500);
    return rssBytes(sidecar.pid);
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
  return { cost: (loaded - second) / connections, drift: (second - first) / connections };
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
