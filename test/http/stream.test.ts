import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, expect, jest, test } from '@jest/globals';
import { asyncScheduler } from 'rxjs';
import { describeMessage } from '../../src/live/describe.ts';
import { createRedaction } from '../../src/live/redaction.ts';
import { createStreams } from '../../src/live/streams.ts';
import { createTaps } from '../../src/live/taps.ts';
import type { LiveStates } from '../../src/live/topics.ts';
import type { Message } from '../../src/message.ts';
import { TEST_MS, until } from '../processes.ts';
import { messageOf } from '../route/support.ts';
import { closeAll, open, sourcesOf } from './serving.ts';

jest.setTimeout(TEST_MS);

afterEach(closeAll);

async function serve() {
  const taps = createTaps();
  let watch: ((message: Message) => void) | undefined;
  taps.ingest$.subscribe((latest) => {
    watch = latest;
  });
  const redact = createRedaction([]);
  const streams = createStreams(
    {} as LiveStates,
    taps,
    (one) => describeMessage(one, redact),
    asyncScheduler,
  );
  const { address } = await open(sourcesOf({ streams }));
  return {
    address,
    streams,
    pass: (message: Message) => watch?.(message),
    isWatched: () => watch !== undefined,
  };
}

const GET = (more = '') =>
  `GET /api/v1/stream?topics=tail HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n${more}\r\n`;

async function client(address: string, more = '') {
  const { hostname, port } = new URL(address);
  const socket = connect(Number(port), hostname);
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(GET(more));
  return { socket, text: () => text };
}

test('events go over the wire as they happen, one response for all', async () => {
  const { address, streams, pass } = await serve();
  const { socket, text } = await client(address);
  await until(() => text().includes('event: hello'), 'hello', text);
  expect(text()).toMatch(/content-type: text\/event-stream/i);
  pass(messageOf('first'));
  await until(() => text().includes('"id":"first"'), 'a message', text);
  pass(messageOf('second'));
  await until(() => text().includes('"id":"second"'), 'another', text);
  streams.end();
  await until(() => text().endsWith('\r\n0\r\n\r\n'), 'the end', text);
  expect(text()).toContain('event: bye');
  socket.destroy();
});

test('a client that does not read takes bounded memory, and the server goes on', async () => {
  const { address, streams, pass } = await serve();
  const slow = await client(address);
  await until(() => slow.text().includes('hello'), 'hello');
  slow.socket.pause();
  const quick = await client(address);
  await until(() => quick.text().includes('hello'), 'hello');
  const big = { data: { message: 'x'.repeat(12_000) } };
  // 24 MB: more than both sides' socket buffers and the bound together, and no more at a time than is shown.
  for (let n = 0; n < 2000; n++) {
    pass(messageOf(`m${n}`, big));
    if (n % 50 === 49) await pause(110);
  }
  await until(() => quick.text().includes('"id":"m1999"'), 'the other client has all');
  expect(quick.text()).not.toContain('event: gap');
  slow.socket.resume();
  await until(
    () => slow.text().includes('event: gap'),
    'a gap',
    () => slow.text().length,
  );
  expect(slow.text()).toMatch(/event: gap\ndata: \{"topic":"tail","count":\d+,"reason":"slow"\}/);
  for (const { socket } of [slow, quick]) socket.destroy();
  streams.end();
});

test('a client that comes back gets what it missed', async () => {
  const { address, streams, pass } = await serve();
  const first = await client(address);
  await until(() => first.text().includes('hello'), 'hello');
  pass(messageOf('a'));
  await until(() => first.text().includes('"id":"a"'), 'a message');
  const id = /id: (\S+)\ndata: \{"at"/.exec(first.text())?.[1];
  first.socket.destroy();
  await once(first.socket, 'close');
  pass(messageOf('b'));
  const second = await client(address, `Last-Event-ID: ${id}\r\n`);
  await until(() => second.text().includes('"id":"b"'), 'what was missed', second.text);
  expect(second.text()).toContain('"resumed":true');
  expect(second.text()).not.toContain('"id":"a"');
  second.socket.destroy();
  streams.end();
});

test('nobody is watched for a HEAD, or for a question that is not understood', async () => {
  const { address, isWatched } = await serve();
  expect((await fetch(`${address}/api/v1/stream?topics=tail`, { method: 'HEAD' })).status).toBe(200);
  for (const query of [
    '',
    '?topics=',
    '?topics=x',
    '?topics=tail&at=sea',
    '?topics=job:',
    '?topics=tail&level=x',
  ]) {
    expect((await fetch(`${address}/api/v1/stream${query}`)).status).toBe(400);
  }
  expect(isWatched()).toBe(false);
});
