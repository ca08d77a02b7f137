// Sessions as a client meets them: over real sockets, with the real binary.
import { appendFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { Packr, Unpackr } from 'msgpackr';
import {
  closeAll,
  connectTo,
  line,
  linesBelow,
  type RunningSidecar,
  startSidecar,
  TEST_MS,
  until,
} from '../processes.ts';
import { control, openTalker, record, records, type Talker } from '../session-client.ts';

jest.setTimeout(TEST_MS);
afterEach(closeAll);

const S = '0123456789abcdef0123456789abcdef';
const config = (durability: string, more = '') => `
batch: { max_age: 20ms }
data_dir: data
${more}
routing:
  default:
    - backend: files
backends:
  files: { type: filesystem, base_path: $OUT, path: all.jsonl, durability: ${durability} }
`;

interface Delivered {
  readonly id: string;
  readonly seq?: number;
  readonly session?: string;
  readonly type: string;
}
const delivered = ({ folder }: RunningSidecar) =>
  linesBelow(join(folder, 'out')).map((text) => JSON.parse(text) as Delivered);
const seqs = (sidecar: RunningSidecar) => delivered(sidecar).map(({ seq }) => seq);
const upTo = (count: number) => Array.from({ length: count }, (_, n) => n + 1);

async function enter(
  sidecar: RunningSidecar,
  data: object = { v: 1, session: S, ack: 'disk' },
): Promise<Talker> {
  const talker = await openTalker(sidecar.port);
  talker.write(control('hello', data));
  await until(() => talker.said.length > 0, 'an answer');
  return talker;
}
const isAcked = (talker: Talker, seq: number) =>
  until(
    () => talker.last('ack')?.seq === seq,
    `an ack of ${seq}`,
    () => JSON.stringify(talker.said),
  );
const isRefused = async (talker: Talker, code: string) => {
  await until(() => talker.isEnded() || talker.isClosed(), `an end, ${code}`);
  expect(talker.said.at(-1)).toMatchObject({ type: 'error', data: { code } });
};

describe.each(['disk', 'memory'])('a lane of durability %s', (durability) => {
  test.each(['disk', 'memory'] as const)('acknowledges at level %s what is delivered once', async (ack) => {
    const sidecar = await startSidecar({ yaml: config(durability) });
    const first = await enter(sidecar, { v: 1, session: S, ack });
    expect(first.said[0]).toEqual({
      type: 'welcome',
      data: { v: 1, max_frame: 1_048_576, last_seq: 0, window: 1000, window_bytes: 1_048_576, ack },
    });
    first.write(records(1, 600));
    await isAcked(first, 600);
    first.write(records(500, 700) + control('ping'));
    await isAcked(first, 700);
    expect(first.last('pong')).toEqual({});
    first.destroy();
    const second = await enter(sidecar, { v: 1, session: S, ack });
    expect(second.last('welcome')).toMatchObject({ last_seq: 700 });
    second.write(records(690, 750) + control('bye', { last_seq: 750 }));
    second.end();
    await until(second.isEnded, 'the end after the last ack');
    expect(second.last('ack')).toEqual({ seq: 750 });
    await until(() => seqs(sidecar).length >= 750, 'delivery');
    expect(seqs(sidecar)).toEqual(upTo(750));
    expect(new Set(delivered(sidecar).map(({ session }) => session))).toEqual(new Set([S]));
    expect(await sidecar.metrics()).toMatch(/rejected_total\{reason="duplicate"\} 112\n/);
  });
});

test('what was acknowledged is known after SIGKILL, and a record sent again has the id that it had', async () => {
  const sidecar = await startSidecar({ yaml: config('disk') });
  const first = await enter(sidecar);
  first.write(records(1, 300));
  await isAcked(first, 300);
  await until(() => seqs(sidecar).length === 300, 'delivery');
  const before = delivered(sidecar);
  sidecar.kill('SIGKILL');
  await sidecar.exit();
  const marks = join(sidecar.folder, 'data', 'sessions');
  for (const name of readdirSync(marks)) appendFileSync(join(marks, name), 'torn 4294');
  const next = await startSidecar({ yaml: config('disk'), folder: sidecar.folder });
  const second = await enter(next);
  expect(second.last('welcome')).toMatchObject({ last_seq: 300 });
  second.write(records(1, 310) + control('ping'));
  await isAcked(second, 310);
  await until(() => seqs(next).includes(310), 'delivery');
  expect(await next.metrics()).toMatch(/rejected_total\{reason="duplicate"\} 300\n/);
  // What the lane had delivered shortly before it was killed it may deliver again, as it was.
  const after = delivered(next);
  expect([...new Set(after.map(({ seq }) => seq))]).toEqual(upTo(310));
  expect(new Set(after.map(({ id }) => id)).size).toBe(310);
  for (const { id, seq } of before) {
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(Number.parseInt(id.slice(24), 16)).toBe(seq);
  }
});

test('a stopped sidecar has saved its marks', async () => {
  const sidecar = await startSidecar({ yaml: config('memory') });
  const talker = await enter(sidecar, { session: S, ack: 'memory' });
  talker.write(records(1, 10));
  await until(() => seqs(sidecar).length === 10, 'delivery');
  expect(await sidecar.stop()).toBe(0);
  const next = await startSidecar({ yaml: config('memory'), folder: sidecar.folder });
  expect((await enter(next)).last('welcome')).toMatchObject({ last_seq: 10 });
});

test('disk is not acknowledged while a backend of durability memory has not delivered', async () => {
  const yaml = `
batch: { max_age: 20ms }
data_dir: data
routing: { default: [{ backend: files }, { backend: gone }] }
backends:
  files: { type: filesystem, base_path: $OUT, path: all.jsonl, durability: disk }
  gone: { type: filesystem, base_path: /proc/none, path: all.jsonl }
`;
  const sidecar = await startSidecar({ yaml });
  const memory = await enter(sidecar, { session: S, ack: 'memory' });
  const disk = await enter(sidecar, { session: S.replace('0', 'f'), ack: 'disk' });
  disk.write(records(1, 20, 'other') + control('ping'));
  memory.write(records(1, 20));
  await isAcked(memory, 20);
  await until(() => seqs(sidecar).length === 40, 'delivery to the other backend');
  expect(disk.last('ack')?.seq ?? 0).toBe(0);
});

test('frames that are discarded are refused in their place', async () => {
  const sidecar = await startSidecar({ yaml: config('disk', 'limits: { max_frame: 1KiB }') });
  const talker = await enter(sidecar);
  const bad = JSON.stringify({ source: 'counter', type: 'event', data: 'no object', seq: 4 });
  talker.write(
    `${record(1)}{"seq":2 broken}\n${record(3)}${bad}\n${line(5, 'counter', { seq: 5, long: 'x'.repeat(2000) })}`,
  );
  talker.write(record(6));
  await isAcked(talker, 6);
  expect(talker.said.filter(({ type }) => type === 'nack').map(({ data }) => data)).toEqual([
    { seq: 2, code: 'schema', retry: false },
    { seq: 4, code: 'schema', retry: false },
    { seq: 5, code: 'too_large', retry: false },
  ]);
  await until(() => seqs(sidecar).length === 3, 'delivery');
  expect(seqs(sidecar)).toEqual([1, 3, 6]);
});

describe('a hello', () => {
  test.each([
    [{ v: 9 }, { type: 'welcome', data: { v: 1, max_frame: 1_048_576 } }],
    [{}, { type: 'welcome', data: { v: 1, max_frame: 1_048_576 } }],
    [{ v: 0 }, { type: 'error', data: { code: 'version', supported: [1] } }],
    [{ v: 'x' }, { type: 'error', data: { code: 'version', supported: [1] } }],
    [{ ack: 'disk' }, { type: 'error', data: { code: 'hello' } }],
    [
      { ack: 'often', session: S },
      { type: 'error', data: { code: 'hello' } },
    ],
    [{ session: 'short' }, { type: 'error', data: { code: 'hello' } }],
    [
      { session: S, token: 7 },
      { type: 'error', data: { code: 'hello' } },
    ],
  ])('%j is answered', async (data, answer) => {
    const sidecar = await startSidecar({ yaml: config('disk') });
    const talker = await enter(sidecar, data);
    expect(talker.said).toMatchObject([answer]);
    if ('code' in answer.data) await isRefused(talker, answer.data.code);
  });

  test('that is not the first frame is a record; without one nothing is said', async () => {
    const sidecar = await startSidecar({ yaml: config('disk') });
    const talker = await openTalker(sidecar.port);
    talker.write(record(1) + control('hello', { session: S, ack: 'disk' }) + record(1) + control('ping'));
    talker.end();
    await until(talker.isEnded, 'the end');
    await until(() => delivered(sidecar).length === 4, 'delivery');
    expect([talker.said, seqs(sidecar)]).toEqual([[], [1, undefined, 1, undefined]]);
  });

  test('without ack gets records their session, and nothing else', async () => {
    const sidecar = await startSidecar({ yaml: config('memory') });
    const talker = await enter(sidecar, { session: S });
    const own = line(2, 'counter', { seq: 1, session: 'mine' });
    talker.write(record(1) + own + control('ping'));
    await until(() => delivered(sidecar).length === 2, 'delivery');
    expect(delivered(sidecar).map(({ session }) => session)).toEqual([S, 'mine']);
    expect(talker.said.map(({ type }) => type)).toEqual(['welcome', 'pong']);
  });
});

describe('the rules of a session', () => {
  test.each([
    ['a gap', record(1) + record(3), 'seq'],
    ['a second hello', control('hello', { session: S }), 'hello'],
    ['more than the window', records(1, 1001), 'window'],
  ])('%s ends the connection', async (_, text, code) => {
    // Nothing is taken: the backend is away.
    const yaml = config('memory').replace('$OUT', '/proc/none').replace('20ms', '1h');
    const sidecar = await startSidecar({ yaml });
    const talker = await enter(sidecar);
    talker.write(text);
    await isRefused(talker, code);
    expect(await sidecar.metrics()).toMatch(/rejected_total\{reason="session"\} 1\n/);
  });

  test('another connection of the session ends the one before', async () => {
    const sidecar = await startSidecar({ yaml: config('disk') });
    const old = await enter(sidecar);
    old.write(records(1, 5));
    await isAcked(old, 5);
    const young = await enter(sidecar);
    await until(old.isEnded, 'the end of the old one');
    young.write(records(6, 9));
    await isAcked(young, 9);
  });
});

describe('auth.token', () => {
  const yaml = config('disk', 'auth: { token: open-sesame, required: true }\ntcp: { host: 0.0.0.0 }');

  test('lets in who knows it, and satisfies auth.required', async () => {
    const sidecar = await startSidecar({ yaml });
    const talker = await enter(sidecar, { token: 'open-sesame' });
    expect(talker.said).toMatchObject([{ type: 'welcome' }]);
    talker.write(record(1));
    await until(() => delivered(sidecar).length === 1, 'delivery');
    expect((await sidecar.get('/readyz')).warnings).toEqual([]);
    expect(JSON.stringify(await sidecar.get('/api/v1/config'))).not.toContain('sesame');
    expect(sidecar.stderr()).not.toContain('sesame');
  });

  test.each([
    ['a wrong token', control('hello', { token: 'open-sesamf' }) + record(1)],
    ['no token', control('hello', { session: S, ack: 'disk' }) + record(1)],
    ['no hello', record(1)],
    ['no record', '{broken}\n'],
  ])('%s is refused, and nothing of it taken', async (_, text) => {
    const sidecar = await startSidecar({ yaml });
    const talker = await openTalker(sidecar.port);
    talker.write(text);
    await isRefused(talker, 'auth');
    const known = await enter(sidecar, { token: 'open-sesame' });
    known.write(record(2));
    await until(() => delivered(sidecar).length > 0, 'delivery');
    expect(seqs(sidecar)).toEqual([2]);
  });
});

test.each(['msgpack', 'framed', 'framed json'])('a client of %s is answered in it', async (framing) => {
  const sidecar = await startSidecar({ yaml: config('disk') });
  const socket = await connectTo({ port: sidecar.port });
  const packr = new Packr({ useRecords: false });
  const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });
  const encode = (json: string) => {
    const body = framing === 'framed json' ? Buffer.from(json) : packr.pack(JSON.parse(json));
    const header = Buffer.alloc(framing === 'msgpack' ? 0 : 4);
    if (header.length > 0) header.writeUInt32BE(body.length);
    return Buffer.concat([header, body]);
  };
  const answers = (bytes: Buffer): unknown[] => {
    if (framing === 'msgpack') return unpackr.unpackMultiple(bytes) as unknown[];
    const all: unknown[] = [];
    for (let at = 0; at < bytes.length; ) {
      const end = at + 4 + bytes.readUInt32BE(at);
      const body = bytes.subarray(at + 4, end);
      all.push(framing === 'framed' ? unpackr.unpack(body) : JSON.parse(body.toString()));
      at = end;
    }
    return all;
  };
  const heard: Buffer[] = [];
  socket.on('data', (chunk) => heard.push(chunk as Buffer));
  socket.write(encode(control('hello', { session: S, ack: 'disk' })));
  for (let seq = 1; seq <= 3; seq++) socket.write(encode(record(seq)));
  socket.end(encode(control('bye', { last_seq: 3 })));
  await until(() => socket.readableEnded, 'the end');
  const said = answers(Buffer.concat(heard));
  expect(said[0]).toMatchObject({ type: 'welcome', data: { ack: 'disk', last_seq: 0 } });
  expect(said.at(-1)).toEqual({ type: 'ack', data: { seq: 3 } });
});
