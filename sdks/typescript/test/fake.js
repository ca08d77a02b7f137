// A sidecar's end of the socket: it records lines, and can be deaf or answer.
import { once } from 'node:events';
import { createServer } from 'node:net';

export async function startFake({ port = 0, path, isDeaf = false, answer } = {}) {
  const lines = [];
  const sockets = new Set();
  const server = createServer({ allowHalfOpen: false }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    let rest = '';
    if (isDeaf) socket.pause();
    else
      socket.on('data', (bytes) => {
        const parts = (rest + bytes).split('\n');
        rest = parts.pop();
        for (const line of parts) {
          lines.push(line);
          answer?.(socket, JSON.parse(line));
        }
      });
  });
  server.listen(path === undefined ? { port, host: '127.0.0.1' } : { path });
  await once(server, 'listening');
  const records = () => lines.map((line) => JSON.parse(line));
  return {
    port: server.address().port,
    lines,
    records,
    sockets,
    async arrived(count) {
      for (let tries = 0; lines.length < count && tries < 1500; tries++) await pause(10);
      return records();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export async function freePort() {
  const fake = await startFake();
  await fake.close();
  return fake.port;
}
