import { once } from 'node:events';
import { connect as connectPlain, createServer, type Socket } from 'node:net';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { NEVER, VirtualTimeScheduler } from 'rxjs';
import { openListener } from '../../src/ingest/listen.ts';
import type { TlsOptions } from '../../src/ingest/tls.ts';
import { type Certificates, createCertificates } from '../certificates.ts';
import {
  client,
  completed,
  createRecording,
  gone,
  line,
  record,
  remembering,
  type Served,
  serve,
  until,
} from './harness.ts';

let certificates: Certificates;
beforeAll(() => {
  certificates = createCertificates();
});

const plain = (): TlsOptions => ({ ...certificates.server, clientCertificates: 'none' });
const mutual = (): TlsOptions => ({
  ...certificates.server,
  ca: certificates.ca,
  clientCertificates: 'required',
});

function secure(served: Served, options: ConnectionOptions = {}): TLSSocket {
  const where = { host: '127.0.0.1', port: served.port, ca: certificates.ca, servername: 'localhost' };
  const socket = connect({ ...where, allowHalfOpen: true, ...options } as ConnectionOptions);
  return socket;
}
const secured = async (served: Served, options?: ConnectionOptions) =>
  remembering<Socket>(secure(served, options), 'secureConnect');

/** Sends one record; whether it came. */
async function arrives(served: Served, options?: ConnectionOptions): Promise<boolean> {
  const before = served.values.length;
  const socket = secure(served, options);
  socket.on('error', () => {});
  socket.end(line(record(1)));
  await new Promise((resolve) => socket.once('close', resolve));
  await until(() => served.listener.connections() === 0, 'the connection is gone');
  return served.values.length > before;
}

describe('TLS', () => {
  test('delivers what is sent', async () => {
    await using served = await serve({ tls: plain() });
    const socket = await secured(served);
    socket.end(Buffer.concat(Array.from({ length: 10_000 }, (_, n) => line(record(n)))));
    await once(socket, 'close');
    expect(served.values.map(({ data }) => data.value)).toEqual(Array.from({ length: 10_000 }, (_, n) => n));
    expect([socket.received(), served.rejected]).toEqual(['', []]);
    expect(served.listener.isExposed).toBe(false);
  });

  test('makes a sender wait while paused, and loses nothing', async () => {
    await using served = await serve({ tls: plain() });
    served.pause$.next(true);
    const socket = await secured(served);
    socket.end(
      Buffer.concat(Array.from({ length: 20_000 }, () => line({ ...record(1), pad: 'x'.repeat(900) }))),
    );
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(served.values).toHaveLength(0);
    served.pause$.next(false);
    await once(socket, 'close');
    expect(served.values).toHaveLength(20_000);
  }, 20_000);

  test('says not a byte after the handshake: unread bytes would turn a close into a reset', async () => {
    await using served = await serve({ tls: plain() });
    const wire = await tapped(served.port);
    const socket = await secured(served, { port: wire.port });
    const atHandshake = wire.fromServer();
    socket.write(line(record(1)));
    await until(() => served.values.length === 1, 'a record');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(wire.fromServer()).toBe(atHandshake);
    socket.destroy();
    wire.close();
  });

  test('speaks 1.3 where it is asked to', async () => {
    await using served = await serve({ tls: { ...plain(), maxVersion: 'TLSv1.3' } });
    expect(await arrives(served, { minVersion: 'TLSv1.3' })).toBe(true);
    await using usual = await serve({ tls: plain() });
    expect(await arrives(usual, { minVersion: 'TLSv1.3' })).toBe(false);
  });

  test('refuses versions before 1.2', async () => {
    await using served = await serve({ tls: plain() });
    expect(
      await arrives(served, { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0' }),
    ).toBe(false);
  });

  test.each([
    ['plain records', line(record(1))],
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['garbage', Buffer.alloc(100_000, 0x16)],
  ])('counts %s as a failed handshake, and lives on', async (_, bytes) => {
    await using served = await serve({ tls: plain() });
    const socket = await client(served.port);
    socket.write(bytes);
    await gone(socket);
    await until(() => served.rejected.length === 1, 'the refusal');
    expect(served.rejected).toEqual(['tls_handshake']);
    expect(await arrives(served)).toBe(true);
  });

  test.each([
    ['not valid yet', 0, 1],
    ['valid', Date.now() + 86_400_000, 0],
    ['expired', Date.now() + 3 * 86_400_000, 1],
  ])('a certificate that is %s is told of as often as it opens', async (_, now, warnings) => {
    const scheduler = new VirtualTimeScheduler();
    scheduler.frame = now;
    const { context, logged } = createRecording(scheduler);
    const address = { host: '127.0.0.1', port: 0 };
    const listener = await openListener({ address, tls: plain(), maxConnections: 10 }, NEVER, context);
    await listener.stopAccepting();
    const warning = {
      level: 'warn',
      fields: { address: listener.address, valid_to: expect.stringMatching(/ GMT$/) },
      message: expect.stringContaining('not valid today'),
    };
    expect(logged).toMatchObject(Array(warnings).fill(warning));
  });

  test('survives a client that leaves in the middle of the handshake', async () => {
    await using served = await serve({ tls: plain() });
    const socket = await client(served.port);
    socket.write(Buffer.from('160301', 'hex'));
    await new Promise((resolve) => setTimeout(resolve, 20));
    socket.resetAndDestroy();
    expect(await arrives(served)).toBe(true);
  });

  test('survives a client that does not trust it', async () => {
    await using served = await serve({ tls: plain() });
    const socket = secure(served, { ca: [] });
    await once(socket, 'error').catch(() => {});
    expect(await arrives(served)).toBe(true);
  });

  test('a connection cut without a goodbye has everything complete processed', async () => {
    await using served = await serve({ tls: plain() });
    const wire = await tapped(served.port);
    const socket = await secured(served, { port: wire.port });
    socket.write(line(record(1)));
    await until(() => served.values.length === 1, 'a record');
    wire.close();
    await until(() => served.listener.connections() === 0, 'the connection is gone');
    socket.destroy();
  });
});

describe('mutual TLS', () => {
  test('takes a client whom the authority vouches for, and nobody else', async () => {
    await using served = await serve({ tls: mutual() });
    expect(await arrives(served, certificates.client)).toBe(true);
    expect(await arrives(served)).toBe(false);
    expect(await arrives(served, certificates.stranger)).toBe(false);
    expect(served.rejected).toEqual(['tls_handshake', 'tls_handshake']);
  });

  test('holds for 1.3 as well', async () => {
    await using served = await serve({ tls: { ...mutual(), maxVersion: 'TLSv1.3' } });
    const options = { minVersion: 'TLSv1.3' } as const;
    expect(await arrives(served, { ...options, ...certificates.client })).toBe(true);
    expect(await arrives(served, options)).toBe(false);
    expect(await arrives(served, { ...options, ...certificates.stranger })).toBe(false);
  });

  test('makes a listener on all interfaces unexposed', async () => {
    await using served = await serve({ tls: mutual(), address: { host: '0.0.0.0', port: 0 } });
    expect([served.listener.isExposed, served.logged]).toEqual([false, []]);
  });
});

describe('draining', () => {
  test('loses nothing of a client that closes when the server does', async () => {
    await using served = await serve({ tls: plain() });
    const socket = await secured(served);
    const block = Buffer.concat(Array.from({ length: 200 }, () => line(record(1))));
    let sent = 0;
    const pump = () => {
      let isTaken = true;
      while (isTaken && !socket.readableEnded) {
        isTaken = socket.write(block);
        sent += 200;
      }
      if (!socket.readableEnded) socket.once('drain', pump);
    };
    socket.once('end', () => socket.end());
    pump();
    await until(() => served.values.length > 5_000, 'it runs');
    await completed(served.listener.drain(10_000));
    expect(served.values).toHaveLength(sent);
  }, 20_000);

  test('does not wait for a handshake that never ends', async () => {
    await using served = await serve({ tls: plain() });
    const socket = await client(served.port);
    socket.write(Buffer.from('160301', 'hex'));
    await new Promise((resolve) => setTimeout(resolve, 20));
    await completed(served.listener.drain(30_000));
    expect(served.isOver()).toBe(true);
    socket.destroy();
  });
});

describe('options that are of no use', () => {
  const failing = (tls: TlsOptions) =>
    openListener(
      { address: { host: '127.0.0.1', port: 0 }, tls, maxConnections: 1 },
      NEVER,
      createRecording().context,
    ).then(
      () => 'it listens',
      (error: Error) => error.message,
    );

  test.each<[string, () => TlsOptions, RegExp]>([
    ['no PEM', () => ({ ...plain(), cert: 'nonsense' }), /`tls` is not usable PEM/],
    ['a key of another certificate', () => ({ ...plain(), key: certificates.client.key }), /do not match/],
    ['an authority that is no PEM', () => ({ ...mutual(), ca: '' }), /set `tls\.ca`/],
    ['no authority', () => ({ ...certificates.server, clientCertificates: 'required' }), /set `tls\.ca`/],
  ])('%s', async (_, options, message) => {
    expect(await failing(options())).toMatch(message);
  });
});

/** A wire in between that counts what the server says. */
async function tapped(port: number) {
  let fromServer = 0;
  const sockets: Socket[] = [];
  const server = createServer((near) => {
    const far = connectPlain(port, '127.0.0.1');
    far.on('data', (bytes) => {
      fromServer += bytes.length;
    });
    near.pipe(far).pipe(near);
    for (const socket of [near, far]) sockets.push(socket.on('error', () => {}));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as { port: number }).port,
    fromServer: () => fromServer,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
