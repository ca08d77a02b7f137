// An HTTP server in a store's place that answers as it is told and remembers what it was asked.
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterwards } from './support.ts';

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

/** S3's way to say no. */
export const refusal = (status: number, code: string, headers: Answer['headers'] = {}): Answer => ({
  status,
  headers: { 'content-type': 'application/xml', ...headers },
  body: `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>because</Message></Error>`,
});

/** Starts a server that is stopped after the test; `answer` is called when a request's body is there. */
export async function startFakeStore(
  answer: (asked: Asked, nth: number) => Answer | Promise<Answer> = () => ({ status: 200 }),
) {
  const asked: Asked[] = [];
  let connections = 0;
  const server = createServer((request, response) => {
    request.resume().once('end', async () => {
      const { method = '', url = '', headers } = request;
      const one = { method, url, headers };
      asked.push(one);
      const { status, headers: said = { etag: '"e"' }, body = '' } = await answer(one, asked.length);
      response.writeHead(status, said).end(body);
    });
  });
  server.on('connection', () => {
    connections++;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  afterwards(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  const { port } = server.address() as AddressInfo;
  return { endpoint: `http://127.0.0.1:${port}`, port, asked, connections: () => connections };
}
