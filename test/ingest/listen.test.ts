import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { NEVER } from 'rxjs';
import { openListener } from '../../src/ingest/listen.ts';
import { client, completed, createRecording, gone, line, record, serve, until } from './harness.ts';

const numbers = (served: { values: { data: { value: number } }[] }) =>
  served.values.map(({ data }) => data.value);
const range = (count: number) => Array.from({ length: count }, (_, i) => i);
/** Records of 1 kB: 20,000 of them are more than the kernel holds. */
const bulky = (count: number) => {
  const pad = 'x'.repeat(900);
  return Buffer.concat(range(count).map((n) => line({ ...record(n), pad })));
};
const ok = (count: number) => Buffer.concat(range(count).map((n) => line(record(n))));

describe('a connection', () => {
  test('delivers what is sent, and hears nothing back', async () => {
    await using served = await serve();
    const socket = await client(served.port);
    socket.end(ok(100));
    await once(socket, 'close');
    expect(numbers(served)).toEqual(range(100));
    expect(socket.received()).toBe('');
    expect(served.rejected).toEqual([]);
  });

  test('that half-closes has everything complete processed, then is closed', async () => {
    await using served = await serve();
    const socket = await client(served.port);
    socket.end(Buffer.concat([ok(1), line(record(1)).subarray(0, -1)]));
    await once(socket, 'end');
    expect(numbers(served)).toEqual([0, 1]);
    await until(() => served.listener.connections() === 0, 'the connection is gone');
  });

  test('takes each framing at the same time', async () => {
    await using served = await serve();
    const text = JSON.stringify(record(7));
    const header = Buffer.from([0, 0, 0, text.length]);
    for (const bytes of [`${text}\n`, Buffer.concat([header, Buffer.from(text)])]) {
      const socket = await client(served.port);
      socket.end(bytes);
      await once(socket, 'close');
    }
    expect(numbers(served)).toEqual([7, 7]);
  });

  test('that trickles is read', async () => {
    await using served = await serve();
    const socket = await client(served.port);
    socket.setNoDelay(true);
    for (const byte of ok(2)) {
      socket.write(Buffer.from([byte]));
      await new Promise(setImmediate);
    }
    socket.end();
    await once(socket, 'close');
    expect(numbers(served)).toEqual([0, 1]);
  });

  test('that is reset costs nothing but itself; what had come before is processed', async () => {
    await using served = await serve();
    const broken = await client(served.port);
    const other = await client(served.port);
    broken.write(ok(3));
    await until(() => served.values.length === 3, 'three records');
    broken.write('{"half":');
    await new Promise((resolve) => setTimeout(resolve, 20));
    broken.resetAndDestroy();
    await until(() => served.listener.connections() === 1, 'the reset is seen');
    other.end(ok(2));
    await once(other, 'close');
    expect(numbers(served)).toEqual([0, 1, 2, 0, 1]);
    expect(served.rejected.sort()).toEqual(['connection_error', 'truncated']);
  });

  test('that is reset right behind its data has what the sidecar had read processed', async () => {
    await using served = await serve();
    served.pause$.next(true);
    const socket = await client(served.port);
    socket.write(ok(3));
    await until(() => served.listener.connections() === 1, 'the connection');
    await new Promise((resolve) => setTimeout(resolve, 50));
    socket.resetAndDestroy();
    served.pause$.next(false);
    await until(() => served.listener.connections() === 0, 'the reset is seen');
    expect(numbers(served)).toEqual([0, 1, 2]);
  });

  test('that sends nothing is no rejection', async () => {
    await using served = await serve();
    const socket = await client(served.port);
    socket.end();
    await once(socket, 'close');
    expect([served.rejected, served.logged]).toEqual([[], []]);
  });

  test('with a bad first byte is closed, others live', async () => {
    await using served = await serve();
    const bad = await client(served.port);
    bad.write(Buffer.concat([Buffer.from('?'), Buffer.alloc(100_000)]));
    await gone(bad);
    const good = await client(served.port);
    good.end(ok(1));
    await once(good, 'close');
    expect(served.rejected).toEqual(['first_byte']);
    expect(numbers(served)).toEqual([0]);
  });

  test('that speaks TLS to a plain port is closed, with a hint in the log', async () => {
    await using served = await serve();
    const socket = await client(served.port);
    socket.write(Buffer.from('16030100', 'hex'));
    await gone(socket);
    expect(served.logged).toEqual([
      {
        level: 'warn',
        message: expect.stringContaining('set `tls`'),
        fields: expect.objectContaining({ reason: 'tls_hello' }),
      },
    ]);
  });
});

describe('an HTTP request', () => {
  test('is answered by a page that says where to go', async () => {
    await using served = await serve();
    const response = await fetch(`http://127.0.0.1:${served.port}/events`, { method: 'POST', body: ok(1) });
    expect(response.status).toBe(400);
    expect(await response.text()).toContain('http://127.0.0.1:17001/');
    expect([served.rejected, served.values]).toEqual([['http'], []]);
  });

  test('with a large body still hears the answer', async () => {
    await using served = await serve();
    const socket = await client(served.port);
    socket.write('POST / HTTP/1.1\r\nContent-Length: 30000000\r\n\r\n');
    const isTaken = new Promise((resolve) => socket.write(Buffer.alloc(30_000_000, 'x'), resolve));
    await once(socket, 'end');
    // the body is read and discarded: a reset would take the answer along
    expect(await isTaken).toBeFalsy();
    expect(socket.received()).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    socket.end();
    await until(() => served.listener.connections() === 0, 'the connection is gone');
  });

  test('whose client never closes is closed all the same', async () => {
    await using served = await serve();
    const socket = await client(served.port);
    socket.write('GET / HTTP/1.1\r\n\r\n');
    await until(() => served.listener.connections() === 0, 'the connection is gone');
    expect(socket.received()).toContain('400');
    socket.destroy();
  });
});

describe('backpressure', () => {
  test('a paused listener makes its sender wait, and loses nothing', async () => {
    await using served = await serve();
    served.pause$.next(true);
    const socket = await client(served.port);
    const all = bulky(20_000);
    let isSent = false;
    socket.write(all, () => {
      isSent = true;
    });
    await until(() => served.listener.connections() === 1, 'the connection');
    await new Promise((resolve) => setTimeout(resolve, 200));
    // the kernel's buffers are full: the sender waits
    expect([isSent, served.values.length]).toEqual([false, 0]);
    served.pause$.next(false);
    socket.end();
    await once(socket, 'close');
    expect(numbers(served)).toEqual(range(20_000));
  }, 30_000);

  test('pauses in the middle of the stream lose nothing', async () => {
    await using served = await serve();
    const socket = await client(served.port);
    socket.end(bulky(20_000));
    for (let i = 0; i < 20 && !socket.closed; i++) {
      served.pause$.next(true);
      const before = served.values.length;
      await new Promise((resolve) => setTimeout(resolve, 2));
      expect(served.values.length).toBe(before);
      served.pause$.next(false);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    if (!socket.closed) await once(socket, 'close');
    expect(numbers(served)).toEqual(range(20_000));
  }, 30_000);

  test('a client that closes while the listener is paused is read to its end', async () => {
    await using served = await serve();
    served.pause$.next(true);
    const socket = await client(served.port);
    socket.end(ok(1_000));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(served.values).toEqual([]);
    served.pause$.next(false);
    await until(() => served.values.length === 1_000, 'all records');
    await until(() => served.listener.connections() === 0, 'the connection is gone');
  });
});

test('fairness: a connection that saturates does not keep a small one waiting', async () => {
  await using served = await serve();
  const big = await client(served.port);
  const block = Buffer.concat(range(1_000).map(() => line(record(-1))));
  let isOn = true;
  const pump = () => {
    while (isOn && big.write(block));
    if (isOn) big.once('drain', pump);
  };
  pump();
  await until(() => served.values.length > 10_000, 'the big one runs');
  const small = await client(served.port);
  const waits: number[] = [];
  for (let n = 0; n < 20; n++) {
    const before = served.values.length;
    small.write(line(record(n)));
    await until(() => served.values.some(({ data }) => data.value === n), 'the small one is served');
    waits.push(served.values.findIndex(({ data }) => data.value === n) - before);
  }
  isOn = false;
  big.destroy();
  small.destroy();
  // a turn holds some 500 records: a few turns, and not the megabytes that wait in the kernel
  const median = waits.sort((a, b) => a - b)[10]!;
  expect(median).toBeLessThan(20_000);
});

describe('the connection cap', () => {
  test('closes what is over it, counts each, and explains it once', async () => {
    await using served = await serve({ maxConnections: 2 });
    const kept = [await client(served.port), await client(served.port)];
    await until(() => served.listener.connections() === 2, 'two connections');
    for (let i = 0; i < 3; i++) {
      const extra = connect(served.port, '127.0.0.1');
      extra.on('error', () => {});
      await once(extra, 'close');
    }
    expect(served.rejected).toEqual(Array(3).fill('connection_cap'));
    expect(served.logged.map(({ level }) => level)).toEqual(['warn', 'debug', 'debug']);
    kept[0]!.end();
    await until(() => served.listener.connections() === 1, 'one has left');
    kept.push(await client(served.port));
    kept[2]!.end(ok(1));
    await until(() => served.values.length === 1, 'the next one is served');
    for (const socket of kept) socket.destroy();
  });
});

describe('the address', () => {
  test('is the one really bound', async () => {
    await using served = await serve();
    expect(served.listener.address).toMatch(/^127\.0\.0\.1:[1-9]\d*$/);
    expect(served.listener.isExposed).toBe(false);
  });

  test('on all interfaces is warned of', async () => {
    await using served = await serve({ address: { host: '0.0.0.0', port: 0 } });
    expect(served.listener.isExposed).toBe(true);
    expect(served.logged).toEqual([
      {
        level: 'warn',
        fields: { address: served.listener.address },
        message: expect.stringContaining('127.0.0.1'),
      },
    ]);
  });

  const failing = async (host: string, port: number) => {
    const { context } = createRecording();
    return openListener({ address: { host, port }, maxConnections: 1 }, NEVER, context).then(
      () => 'it listens',
      (error: Error) => error.message,
    );
  };

  test('that is taken is refused with what to do', async () => {
    await using served = await serve();
    expect(await failing('127.0.0.1', served.port)).toBe(
      `cannot listen on 127.0.0.1:${served.port}: another program listens there; stop it, or choose another port or path (EADDRINUSE)`,
    );
  });
  test('that this machine has not is refused with what to do', async () => {
    expect(await failing('192.0.2.1', 17_000)).toMatch(
      /^cannot listen on 192\.0\.2\.1:17000: this machine has no such/,
    );
  });
  test('that is no name is refused with what to do', async () => {
    expect(await failing('no such host', 17_000)).toMatch(
      /^cannot listen on no such host:17000: the host name is/,
    );
  });
  test('with a port out of range is refused', async () => {
    expect(await failing('127.0.0.1', 70_000)).toMatch(/^cannot listen on 127\.0\.0\.1:70000: .*65536/);
  });
});

describe('stopAccepting', () => {
  test('frees the port at once; open connections stay', async () => {
    await using served = await serve();
    const socket = await client(served.port);
    socket.write(ok(1));
    await until(() => served.values.length === 1, 'a record');
    await served.listener.stopAccepting();
    await served.listener.stopAccepting();
    const next = createServer().listen(served.port, '127.0.0.1');
    await once(next, 'listening');
    next.close();
    expect(served.isOver()).toBe(false);
    socket.end(ok(2));
    await once(socket, 'close');
    expect(numbers(served)).toEqual([0, 0, 1]);
    await until(served.isOver, 'the stream of connections is over');
  });

  test('serves who had connected by then', async () => {
    await using served = await serve();
    const sockets = await Promise.all(range(50).map(() => client(served.port)));
    for (const socket of sockets) socket.end(ok(1));
    await served.listener.stopAccepting();
    await until(() => served.values.length === 50, 'a record of each');
  });

  test('completes the stream when nobody is there', async () => {
    await using served = await serve();
    await served.listener.stopAccepting();
    await until(served.isOver, 'the stream of connections is over');
  });
});

test('clients that come before the subscriber wait for it', async () => {
  const { context } = createRecording();
  const address = { host: '127.0.0.1', port: 0 };
  const listener = await openListener({ address, maxConnections: 10 }, NEVER, context);
  const socket = await client(Number(listener.address.split(':')[1]));
  await until(() => listener.connections() === 1, 'the connection');
  const ids: number[] = [];
  const remotes: string[] = [];
  listener.connection$.subscribe(({ id, remote }) => {
    ids.push(id);
    remotes.push(remote);
  });
  expect([ids, remotes]).toEqual([[1], [`127.0.0.1:${socket.localPort}`]]);
  await completed(listener.drain(0));
  socket.destroy();
});

test('who unsubscribes from a connection closes it', async () => {
  await using served = await serve();
  const { context } = createRecording();
  const address = { host: '127.0.0.1', port: 0 };
  const listener = await openListener({ address, maxConnections: 10 }, NEVER, context);
  listener.connection$.subscribe(({ chunk$ }) => {
    const chunks = chunk$.subscribe(() => chunks.unsubscribe());
  });
  const socket = await client(Number(listener.address.split(':')[1]));
  socket.write('x');
  await gone(socket);
  await completed(listener.drain(0));
  expect(served.listener.connections()).toBe(0);
});
