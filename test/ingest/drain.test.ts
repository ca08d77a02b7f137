import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { client, completed, gone, line, record, type Served, serve, until } from './harness.ts';

/** Sends records as fast as they are taken until the server's FIN, then finishes and closes. Tells how many. */
async function saturate(
  served: Served,
): Promise<{ sent: () => number; socket: Socket & { received(): string } }> {
  const socket = await client(served.port);
  const block = Buffer.concat(Array.from({ length: 200 }, (_, n) => line(record(n))));
  let sent = 0;
  let isOn = true;
  const pump = () => {
    let isTaken = true;
    while (isOn && isTaken) {
      isTaken = socket.write(block);
      sent += 200;
    }
    if (isOn) socket.once('drain', pump);
  };
  socket.once('end', () => {
    isOn = false;
    socket.end();
  });
  pump();
  return { sent: () => sent, socket };
}

const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);

describe('drain', () => {
  test('loses nothing of saturating clients that close on FIN, and says nothing to them', async () => {
    await using served = await serve();
    const clients = await Promise.all([1, 2, 3].map(() => saturate(served)));
    await until(() => served.values.length > 50_000, 'they run');
    await completed(served.listener.drain(10_000));
    expect(served.values).toHaveLength(sum(clients.map(({ sent }) => sent())));
    expect(clients.map(({ socket }) => socket.received())).toEqual(['', '', '']);
    expect([served.listener.connections(), served.rejected, served.isOver()]).toEqual([0, [], true]);
  }, 20_000);

  test('whoever connects anew on FIN finds the port closed: nobody is let in to be cut off', async () => {
    await using served = await serve();
    const clients = await Promise.all(Array.from({ length: 20 }, () => client(served.port)));
    const answers = clients.map(async (socket) => {
      await once(socket, 'end');
      const anew = connect(served.port, '127.0.0.1');
      const answer = await new Promise((resolve) => {
        anew.once('connect', () => resolve('let in'));
        anew.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code));
      });
      socket.end();
      anew.destroy();
      return answer;
    });
    await completed(served.listener.drain(10_000));
    expect(new Set(await Promise.all(answers))).toEqual(new Set(['ECONNREFUSED']));
  });

  test('loses nothing of a client that closes on FIN while the listener is paused for a while', async () => {
    await using served = await serve();
    const { sent } = await saturate(served);
    await until(() => served.values.length > 1_000, 'it runs');
    served.pause$.next(true);
    const drained = completed(served.listener.drain(10_000));
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    served.pause$.next(false);
    await drained;
    expect(served.values).toHaveLength(sent());
  }, 20_000);

  test('closes a client that does not react once it was quiet for a second', async () => {
    await using served = await serve();
    const socket = await client(served.port);
    // it was quiet for hours, so to speak: that must not count
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    const startMs = Date.now();
    const drained = completed(served.listener.drain(30_000));
    for (let n = 0; n < 5; n++) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      socket.write(line(record(n)));
    }
    await drained;
    expect(served.values).toHaveLength(5);
    expect(Date.now() - startMs).toBeGreaterThanOrEqual(1_900);
    await gone(socket);
  }, 20_000);

  test('before a client is told to go its silence does not count, however many are let in first', async () => {
    await using served = await serve();
    const socket = await client(served.port);
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    const others = Array.from({ length: 300 }, () => connect(served.port, '127.0.0.1'));
    for (const other of others) other.once('end', () => other.end()).resume();
    socket.once('end', () => socket.end(line(record(0)))).resume();
    await completed(served.listener.drain(30_000));
    expect(served.values).toHaveLength(1);
  }, 20_000);

  test('closes a client that never stops at the deadline', async () => {
    await using served = await serve();
    const socket = await client(served.port);
    const startMs = Date.now();
    const writing = setInterval(() => socket.write(line(record(0))), 10);
    await completed(served.listener.drain(500));
    clearInterval(writing);
    expect(Date.now() - startMs).toBeGreaterThanOrEqual(500);
    expect(served.values.length).toBeGreaterThan(0);
    expect(served.listener.connections()).toBe(0);
  });

  test('processes a last line that was never finished', async () => {
    await using served = await serve();
    const socket = await client(served.port);
    socket.write(line(record(1)).subarray(0, -1));
    await until(() => served.listener.connections() === 1, 'the connection');
    await new Promise((resolve) => setTimeout(resolve, 20));
    await completed(served.listener.drain(0));
    expect(served.values).toHaveLength(1);
    socket.destroy();
  });

  test('hands over what was read before the deadline, even while paused', async () => {
    await using served = await serve();
    served.pause$.next(true);
    const socket = await client(served.port);
    socket.write(line(record(1)));
    await until(() => served.listener.connections() === 1, 'the connection');
    await new Promise((resolve) => setTimeout(resolve, 20));
    await completed(served.listener.drain(0));
    expect(served.values).toHaveLength(1);
    socket.destroy();
  });

  test('serves who had connected when it began', async () => {
    await using served = await serve();
    const sockets = await Promise.all(Array.from({ length: 30 }, () => client(served.port)));
    for (const socket of sockets) socket.on('end', () => socket.end(line(record(1))));
    await completed(served.listener.drain(10_000));
    expect(served.values).toHaveLength(30);
  });

  test('follows stopAccepting, and a second drain completes at once', async () => {
    await using served = await serve();
    const socket = await client(served.port);
    await served.listener.stopAccepting();
    const drained = completed(served.listener.drain(5_000));
    socket.on('end', () => socket.end(line(record(1))));
    await drained;
    await completed(served.listener.drain(5_000));
    expect(served.values).toHaveLength(1);
  });

  test('does nothing until it is subscribed', async () => {
    await using served = await serve();
    served.listener.drain(0);
    const socket = await client(served.port);
    socket.end(line(record(1)));
    await once(socket, 'close');
    expect(served.values).toHaveLength(1);
  });
});
