import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { openHttp } from '../../src/http/open.ts';
import { ask, closeAll, createLogged, NO_PAGES, open, sourcesOf, UNGUARDED } from './serving.ts';

afterEach(closeAll);

const GLOBALS = { Request: globalThis.Request, Response: globalThis.Response };

const opening = (host: string, port = 0) =>
  openHttp({ host, port, access: UNGUARDED, pages: NO_PAGES }, sourcesOf(), createLogged().context);

async function connected(address: string, bytes: string): Promise<Socket> {
  const { hostname, port } = new URL(address);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  await once(socket, 'connect');
  if (bytes !== '') socket.write(bytes);
  return socket;
}

describe('listening', () => {
  test('says where it really listens', async () => {
    const { address } = await open();
    expect(address).toMatch(/^http:\/\/127\.0\.0\.1:[1-9]\d*$/);
    expect((await fetch(`${address}/healthz`)).status).toBe(200);
  });

  test('on localhost, whatever that is here', async () => {
    const { address } = await open(undefined, { host: 'LOCALHOST' });
    expect((await fetch(`${address}/healthz`)).status).toBe(200);
  });

  test('on IPv6 loopback, with or without brackets', async () => {
    for (const host of ['::1', '[::1]']) {
      const server = await open(undefined, { host }).catch((error: Error) => error);
      if (server instanceof Error) expect(server.message).toContain('is not an address of this machine');
      else expect((await ask(server.address, '/healthz')).status).toBe(200);
    }
  });

  test.each(['10.0.0.1', '128.0.0.1', 'example.invalid'])(
    'an address that is not this machine’s is an error that says so: %s',
    async (host) => {
      await expect(opening(host)).rejects.toThrow(
        /^http: .*(not an address of this machine|ENOTFOUND|EAI_AGAIN)/,
      );
    },
  );

  test('a port in use is an error that says what to do', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    await expect(opening('127.0.0.1', port)).rejects.toThrow(
      `http: 127.0.0.1:${port} is already in use, perhaps by another sidecar: ` +
        'stop it, or set http.port to a free port (0 picks one)',
    );
    other.close();
  });

  test('two servers run side by side, and one closes without the other', async () => {
    const [one, two] = [await open(), await open()];
    await one.close();
    expect((await fetch(`${two.address}/healthz`)).status).toBe(200);
    await expect(fetch(`${one.address}/healthz`)).rejects.toThrow();
  });

  test('leaves the global Request and Response alone', async () => {
    await open();
    expect(globalThis.Request).toBe(GLOBALS.Request);
    expect(globalThis.Response).toBe(GLOBALS.Response);
  });
});

describe('closing', () => {
  const GET = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n';

  test('an idle keep-alive connection does not hold it', async () => {
    const server = await open(undefined, { graceMs: 3_600_000 });
    const socket = await connected(server.address, GET);
    await once(socket, 'data');
    const ended = once(socket, 'close');
    await server.close();
    await ended;
  });

  test.each([
    ['that said nothing', ''],
    ['in the middle of its headers', 'GET /healthz HT'],
    ['whose body never comes', 'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n'],
  ])('a connection %s is cut after the grace', async (_, bytes) => {
    const server = await open(undefined, { graceMs: 100 });
    const socket = await connected(server.address, bytes);
    const ended = once(socket.resume(), 'close');
    await server.close();
    await ended;
  });

  test('a keep-alive connection ends with the answer that is in progress', async () => {
    const events = { answer: (_: string) => {} };
    const text = () =>
      new Promise<string>((resolve) => {
        events.answer = resolve;
      });
    const metrics = { contentType: 'text/plain', text };
    const server = await open(sourcesOf({ metrics }), { graceMs: 3_600_000 });
    const socket = await connected(server.address, GET.replace('healthz', 'metrics'));
    await ask(server.address, '/healthz');
    const closed = server.close();
    const ended = once(socket.resume(), 'close');
    events.answer('late');
    // Left to itself it would wait for another request for 5 s.
    const tooLong = new Promise((_, reject) => setTimeout(reject, 4_500, new Error('it was kept')).unref());
    await Promise.race([Promise.all([closed, ended]), tooLong]);
  });

  test('a request in progress is answered within the grace', async () => {
    const events = { asked: () => {}, answer: (_: string) => {} };
    const asked = new Promise<void>((resolve) => {
      events.asked = resolve;
    });
    const text = () => {
      events.asked();
      return new Promise<string>((resolve) => {
        events.answer = resolve;
      });
    };
    const server = await open(sourcesOf({ metrics: { contentType: 'text/plain', text } }), {
      graceMs: 3_600_000,
    });
    const answer = ask(server.address, '/metrics', { headers: { connection: 'close' } });
    await asked;
    const closed = server.close();
    events.answer('late');
    expect(await answer).toMatchObject({ status: 200, body: 'late' });
    await closed;
  });

  test('a request that never ends is cut after the grace', async () => {
    const text = () => new Promise<string>(() => {});
    const server = await open(sourcesOf({ metrics: { contentType: 'text/plain', text } }), { graceMs: 100 });
    const answer = ask(server.address, '/metrics');
    const refused = expect(answer).rejects.toThrow();
    await ask(server.address, '/healthz');
    await server.close();
    await refused;
  });

  test('twice is once', async () => {
    const server = await open();
    await Promise.all([server.close(), server.close()]);
    await server.close();
  });
});

test("a client that leaves in the middle is nobody else's business", async () => {
  const logged = createLogged();
  const { address } = await open(undefined, {}, logged);
  for (let i = 0; i < 20; i++) {
    const socket = await connected(address, 'GET /api/v1/jobs/job-12345 HTTP/1.1\r\nHost: localhost\r\n\r\n');
    socket.destroy();
  }
  expect((await ask(address, '/healthz')).status).toBe(200);
  expect(logged.lines).toEqual([]);
});
