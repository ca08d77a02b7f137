// A connection that is lost with a record half written: what the kernel did not take whole is sent again, and is counted so.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { pause } from './fake.js';

const ESM = fileURLToPath(new URL('../dist/esm/index.js', import.meta.url));

/** Logs numbers until its backlog holds some, then does as it is told, a word a line; answers with its statistics. */
const PROGRAM = `
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { init } from ${JSON.stringify(ESM)};
const client = init({ source: 'lost', quiet: true });
await client.ready(20000);
const tell = (done) => console.log(JSON.stringify({ done, ...client.stats() }));
for (let n = 0; !process.env.GO && client.stats().queued < 5; n++) client.logEvent('info', 'x'.repeat(8000), { n, more: 'y'.repeat(8000) });
tell();
for await (const word of createInterface(process.stdin)) {
  if (word === 'flush') tell(await client.flush(20000));
  if (word === 'close') tell(await client.close(50));
  if (word === 'burst') {
    console.log('{}');
    while (!existsSync(process.env.GO));    // Node.js hears of nothing meanwhile
    for (let n = 0; n < 10; n++) client.logEvent('info', 'burst', { n });
    tell();
  }
}
`;

/** Accepts, and reads only when it is told to. */
async function startServer(port = 0) {
  const connections = [];
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
    const connection = { socket, bytes: Buffer.alloc(0), isEnded: false };
    connections.push(connection);
    socket.on('data', (bytes) => {
      connection.bytes = Buffer.concat([connection.bytes, bytes]);
    });
    socket.on('end', () => {
      connection.isEnded = true;
      socket.end();
    });
    socket.on('error', () => {});
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return { server, connections, port: server.address().port };
}

async function until(isSo) {
  for (let tries = 0; !isSo(); tries++) {
    assert.ok(tries < 2000, String(isSo));
    await pause(10);
  }
}

/** The numbers of whole records, and what is left of one. */
function numbersIn({ bytes }) {
  const lines = bytes.toString().split('\n');
  const rest = lines.pop();
  return { numbers: lines.map((line) => JSON.parse(line).data.context.n), rest };
}

const balanced = ({ accepted, sent, queued, dropped }) =>
  assert.equal(accepted, sent + queued + Object.values(dropped).reduce((a, b) => a + b));

/** A program that has filled the kernel's buffers (with `GO`: that has connected), the first server, how to ask the program. */
async function filled(env = {}) {
  const first = await startServer();
  const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM], {
    env: { ...process.env, MONITORING_PORT: String(first.port), ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async () => JSON.parse((await lines.next()).value);
  const ask = (word) => {
    child.stdin.write(`${word}\n`);
    return next();
  };
  return { first, child, ask, next, stats: await next() };
}

/** Stops the program where it stands, so that nothing but what the kernel has goes on. */
async function freeze(child) {
  child.kill('SIGSTOP');
  const stat = `/proc/${child.pid}/stat`;
  if (existsSync(stat)) await until(() => /\) T /.test(readFileSync(stat, 'utf8')));
  else await pause(200);
}

/** Reads what the kernel has, until nothing more comes. */
async function drained(connection) {
  connection.socket.resume();
  for (let before = -1; before < connection.bytes.length; await pause(200)) before = connection.bytes.length;
  return numbersIn(connection);
}

const upTo = (from, count) => Array.from({ length: count - from }, (_, n) => from + n);

test('a record that is half written when the connection is reset is sent again, whole', async () => {
  const { first, child, ask, stats } = await filled();
  balanced(stats);
  await freeze(child);
  const [connection] = first.connections;
  const taken = await drained(connection);
  assert.notEqual(taken.rest, '', 'one is cut');
  assert.equal(stats.sent, taken.numbers.length, 'what counts as sent is what the kernel has whole');
  connection.socket.resetAndDestroy();
  first.server.close();
  const second = await startServer(first.port);
  second.server.on('connection', (socket) => socket.resume());
  child.kill('SIGCONT');
  const after = await ask('flush');
  assert.deepEqual([after.done, after.queued, after.sent], [true, 0, stats.accepted]);
  balanced(after);
  const all = () => second.connections.flatMap((each) => numbersIn(each).numbers);
  await until(() => all().length >= stats.accepted - stats.sent);
  assert.deepEqual([...taken.numbers, ...all()], upTo(0, stats.accepted), 'each once, in order');
  child.kill();
  second.server.close();
  for (const { socket } of second.connections) socket.destroy();
});

test('nothing is written into a connection whose reset is not told of yet', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lost-'));
  const GO = join(folder, 'go');
  const { first, child, ask, next } = await filled({ GO });
  await until(() => first.connections.length === 1);
  await ask('burst');
  first.connections[0].socket.resetAndDestroy();
  first.server.close();
  await once(first.server, 'close');
  const second = await startServer(first.port);
  second.server.on('connection', (socket) => socket.resume());
  writeFileSync(GO, '');
  const stats = await next();
  balanced(stats);
  assert.deepEqual([stats.sent, stats.queued], [0, 10]);
  const after = await ask('flush');
  assert.deepEqual([after.done, after.sent], [true, 10]);
  const all = () => second.connections.flatMap((each) => numbersIn(each).numbers);
  await until(() => all().length >= 10);
  assert.deepEqual(all(), upTo(0, 10));
  child.kill();
  second.server.close();
  for (const { socket } of second.connections) socket.destroy();
  rmSync(folder, { recursive: true });
});

test('after a FIN a half written record is finished where it was begun', async () => {
  const { first, child, ask, stats } = await filled();
  const [connection] = first.connections;
  first.server.close();
  connection.socket.end();
  const second = await startServer(first.port);
  second.server.on('connection', (socket) => socket.resume());
  await until(() => second.connections.length === 1);
  assert.equal(second.connections[0].bytes.length, 0, 'nothing overtakes it');
  connection.socket.resume();
  const after = await ask('flush');
  assert.deepEqual([after.done, after.sent], [true, stats.accepted]);
  await until(() => connection.isEnded);
  const all = () => [connection, ...second.connections].flatMap((each) => numbersIn(each).numbers);
  await until(() => all().length >= stats.accepted);
  assert.deepEqual(all(), upTo(0, stats.accepted), 'each once, in order');
  assert.equal(numbersIn(connection).rest, '');
  child.kill();
  second.server.close();
  for (const { socket } of second.connections) socket.destroy();
});

test('a half written record that close() cannot finish counts as closed', async () => {
  const { first, child, ask, stats } = await filled();
  const after = await ask('close');
  assert.deepEqual([after.done, after.queued, after.sent], [false, 0, stats.sent]);
  assert.equal(after.dropped.closed, stats.accepted - stats.sent);
  balanced(after);
  child.kill();
  first.server.close();
  for (const { socket } of first.connections) socket.destroy();
});

test('with acknowledgements a stalled connection goes on by itself', async () => {
  const { first, child, ask, stats } = await filled({ MONITORING_ACK: 'memory' });
  assert.equal(stats.sent, 0);
  const [connection] = first.connections;
  let count = 0;
  connection.socket.on('data', (bytes) => {
    for (const byte of bytes) if (byte === 10) count++;
    connection.socket.write(`{"type":"ack","data":{"seq":${count - 1}}}\n`);
  });
  connection.socket.resume();
  const after = await ask('flush');
  assert.deepEqual([after.done, after.sent, after.queued], [true, stats.accepted, 0]);
  child.kill();
  first.server.close();
  for (const { socket } of first.connections) socket.destroy();
});
