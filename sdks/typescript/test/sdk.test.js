import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import pino from 'pino';
import { Client, init } from '../dist/esm/index.js';
import { toMsgpack } from '../dist/esm/msgpack.js';
import { destination } from '../dist/esm/pino.js';
import { plain } from '../dist/esm/values.js';
import { freePort, pause, startFake } from './fake.js';

const ESM = fileURLToPath(new URL('../dist/esm/index.js', import.meta.url));

describe('on the wire', () => {
  let fake;
  let client;
  before(async () => {
    fake = await startFake();
    client = new Client({ source: 'test', tcpPort: fake.port, quiet: true });
    assert.equal(await client.ready(5000), true);
  });
  after(async () => {
    await client.close();
    await fake.close();
  });
  const next = async (count) => {
    const records = await fake.arrived(count);
    fake.lines.length = 0;
    return records;
  };

  test('every kind of record', async () => {
    client.setContext('region', 'eu');
    client.logEvent('warning', 'a "text"\n\b', { b: 2.5, a: 1, c: null, d: [1, true], e: Buffer.from('abc'), f: undefined });
    client.logMetric('rows', 3, 'count', { t: 1 });
    client.logProgress('job-1', 120, 'completed', { total: 5, current: 5 });
    client.logResource({ cpu: 1.5, network: 3, memory: 200 });
    await fake.arrived(4);
    assert.match(fake.lines[0], /"message":"a \\"text\\"\\n\\u0008","context":{"a":1,"b":2.5,"c":null,"d":\[1,true\],"e":"base64:YWJj","f":null,"region":"eu"}/);
    const [event, metric, progress, resource] = await next(4);
    assert.deepEqual(Object.keys(event), ['source', 'timestamp', 'ts_us', 'type', 'data']);
    assert.ok(Math.abs(Date.parse(event.timestamp) * 1000 - event.ts_us) < 1000);
    assert.deepEqual(metric.data, { name: 'rows', value: 3, unit: 'count', tags: { region: 'eu', t: 1 } });
    assert.equal(progress.job_id, 'job-1');
    assert.deepEqual(resource.data, { cpu: 1.5, memory: 200, network: 3, context: { region: 'eu' } });
    client.setContext('region', null);
  });

  test('times are those of a clock that is set', async (t) => {
    const { now } = Date;
    t.after(() => {
      Date.now = now;
    });
    for (const hours of [1, -1]) {
      const setUs = (now() + hours * 3_600_000) * 1000;
      Date.now = () => now() + hours * 3_600_000;
      client.logEvent('info', 'set');
      const [{ ts_us, timestamp }] = await next(1);
      assert.ok(ts_us > setUs - 60_000_000 && ts_us < setUs + 60_000_000, timestamp);
    }
  });

  test('spans, in code and in promises, and their errors', async () => {
    const outer = client.startSpan('outer');
    assert.throws(() => client.withSpan('fails', () => { throw new Error('boom'); }), /boom/);
    await client.withSpan('later', async () => {
      await pause(2);
      client.logEvent('info', 'inside');
    });
    await assert.rejects(client.withSpan('rejects', () => Promise.reject(new Error('no'))), /no/);
    assert.equal(client.endSpan(outer, 'success', undefined, { rows: 1 }), true);
    assert.equal(client.endSpan(outer), false);
    const records = await next(9);
    assert.equal(new Set(records.map(({ trace_id }) => trace_id)).size, 1);
    const ends = records.filter(({ data }) => data.phase === 'end');
    assert.deepEqual(ends.map(({ data }) => [data.name, data.status]), [['fails', 'error'], ['later', 'success'], ['rejects', 'error'], ['outer', 'success']]);
    assert.deepEqual(ends.slice(0, 3).map(({ data }) => data.parent_span_id), [outer, outer, outer]);
    const inside = records.find(({ type }) => type === 'event');
    assert.equal(inside.span_id, ends[1].span_id);
  });

  test('a span has the attributes that it began with, as they were, and those of its end', async () => {
    const attributes = { table: 'orders', rows: 0 };
    const id = client.startSpan('manual', { attributes });
    const scoped = client.span('scoped', { attributes });
    attributes.table = 'changed';
    scoped[Symbol.dispose]();
    client.endSpan(id, 'success', undefined, { rows: 7 });
    const ends = (await next(4)).filter(({ data }) => data.phase === 'end');
    assert.deepEqual(ends.map(({ data }) => data.attributes), [{ table: 'orders', rows: 0 }, { table: 'orders', rows: 7 }]);
  });

  test('contexts do not see each other', async () => {
    const seen = await Promise.all([1, 2].map((n) => client.withSpan(`s${n}`, async () => {
      await pause(5 * n);
      return client.traceparent();
    })));
    assert.notEqual(seen[0], seen[1]);
    assert.equal(client.traceparent(), undefined);
    await next(4);
  });

  test('the environment of children', () => {
    client.withSpan('parent', (id) => {
      const env = client.childEnv();
      assert.match(env.TRACEPARENT, new RegExp(`^00-[0-9a-f]{32}-${id}-01$`));
      assert.equal(env.MONITORING_PORT, String(fake.port));
      assert.equal(process.env.TRACEPARENT, undefined);
    });
  });

  test('what is too large loses its context; pino writes events', async () => {
    await next(2);
    client.logEvent('info', 'large', Object.fromEntries(Array.from({ length: 20 }, (_, n) => [n, 'x'.repeat(8000)])));
    destination(client).write('{"level":50,"time":1,"pid":1,"hostname":"h","msg":"failed","rows":3}\n');
    const [large, failed] = await next(2);
    assert.deepEqual(large.data.context, { _truncated: true });
    assert.deepEqual(failed.data, { level: 'error', message: 'failed', context: { rows: 3 } });
  });

  test('pino may call level and message as it likes', async () => {
    const level = (label) => ({ severity: label.toUpperCase() });
    const logger = pino({ base: null, messageKey: 'message', formatters: { level } }, destination(client));
    logger.error({ rows: 3 }, 'failed %d times', 2);
    logger.warn({ rows: 4 });
    const [failed, silent] = await next(2);
    assert.deepEqual(failed.data, { level: 'error', message: 'failed 2 times', context: { message: 'failed 2 times', rows: 3, severity: 'ERROR' } });
    assert.deepEqual(silent.data, { level: 'warn', message: '', context: { rows: 4, severity: 'WARN' } });
  });

  test('a level without any text is the default one', async () => {
    for (const level of ['', [], null, 0]) client.logEvent(level, 'which');
    assert.deepEqual((await next(4)).map(({ data }) => data.level), ['info', 'info', 'info', 'info']);
  });

  test('no option throws', async () => {
    const cyclic = {};
    cyclic.self = cyclic;
    const revoked = Proxy.revocable({}, {});
    revoked.revoke();
    const clients = [{ n: 10n }, cyclic, revoked.proxy, ['a']].map((tags) => init({ source: 'options', tcpPort: fake.port, quiet: true, tags }));
    for (const [nth, one] of clients.entries()) {
      one.logEvent('info', String(nth));
      assert.equal(await one.close(), true);
    }
    const records = await next(4);
    const contexts = records.sort((a, b) => a.data.message - b.data.message).map(({ data }) => data.context);
    assert.deepEqual(contexts, [{ n: 10 }, { self: '<cyclic>' }, { value: '<unprintable>' }, { value: ['a'] }]);
    const unreadable = { get source() { throw new Error('no'); } };
    for (const options of [null, unreadable, new Proxy({}, { ownKeys: () => assert.fail() })]) {
      assert.equal(typeof init(options).settings.source, 'string');
      await init(options).close();
    }
    const [one, same] = [{ source: 'same', ack: undefined }, { source: 'same' }].map((some) => init({ ...some, disabled: true }));
    assert.equal(one, same);
  });

  test('beforeSend edits and drops', async () => {
    const edits = new Client({ source: 'edits', tcpPort: fake.port, quiet: true, beforeSend: (record) => (record.data.message === 'secret' ? undefined : { ...record, data: { ...record.data, message: 'changed' } }) });
    await edits.ready();
    edits.logEvent('info', 'secret');
    edits.logEvent('info', 'plain', { k: 1 });
    assert.deepEqual((await next(1))[0].data, { level: 'info', message: 'changed', context: { k: 1 } });
    await edits.close();
  });

  test('both forms of the package', () => {
    const { Client: Other } = createRequire(import.meta.url)('../dist/cjs/index.js');
    assert.equal(typeof new Other({ disabled: true }).logEvent, 'function');
  });
});

test('values within the limits', () => {
  const cyclic = {};
  cyclic.self = cyclic;
  let deep = [];
  for (let n = 0; n < 12; n++) deep = [deep];
  const found = plain({ nan: Number.NaN, inf: Number.NEGATIVE_INFINITY, big: 2 ** 60, int: 2n ** 70n, bad: 'a\ud800', cyclic, deep, many: Array(300).fill(0), at: new Date('2026-01-02T00:00:00Z'), text: 'é'.repeat(9000) });
  assert.deepEqual([found.nan, found.inf, found.big, found.int], ['NaN', '-Infinity', String(2n ** 60n), String(2n ** 70n)]);
  assert.deepEqual([found.bad, found.cyclic, found.at], ['a\ufffd', { self: '<cyclic>' }, '2026-01-02T00:00:00Z']);
  assert.match(JSON.stringify(found.deep), /<depth>/);
  assert.deepEqual([found.many.length, Buffer.byteLength(found.text)], [256, 8192]);
  assert.equal(
    toMsgpack({ a: [1, -1, 200, -200, 70000, -70000, 2 ** 40, -(2 ** 40), 1.5, null, true, 'x'.repeat(40)] }).toString('hex'),
    `81a1619c01ffccc8d1ff38ce00011170d2fffeee90cf0000010000000000d3ffffff0000000000cb3ff8000000000000c0c3d928${'78'.repeat(40)}`,
  );
});

test('values say themselves what they are in JSON, and of errors what caused them', () => {
  const endless = { toJSON: () => ({ toJSON: endless.toJSON }) };
  const itself = { n: 1, toJSON: () => itself };
  assert.deepEqual(plain({ at: new URL('http://a/b'), price: { s: 1, toJSON: () => '12.50' }, itself }), {
    at: 'http://a/b', itself: { n: 1, toJSON: '() => itself' }, price: '12.50',
  });
  assert.equal(plain(endless), '<depth>');
  const broken = { ok: 1, get bad() { throw new Error('no'); } };
  assert.deepEqual(plain(broken), { bad: '<unprintable>', ok: 1 });
  const failed = new TypeError('fetch failed', { cause: new Error('ECONNREFUSED') });
  assert.match(plain(failed), /^TypeError: fetch failed\n[^]*\nCaused by: Error: ECONNREFUSED\n/);
  const several = new AggregateError([new Error('::1 refused'), new TypeError('127.0.0.1 refused')], 'all failed');
  assert.match(plain(new Error('outer', { cause: several })), /^Error: outer\n[^]*\nCaused by: AggregateError: all failed\n[^]*\nCaused by: Error: ::1 refused\n[^]*\nCaused by: TypeError: 127.0.0.1 refused\n/);
  several.errors = Array(1000).fill(several);
  assert.match(plain(several), /^AggregateError: all failed\n/);
  const cyclic = new Error('cyclic');
  cyclic.cause = cyclic;
  assert.match(plain(cyclic), /^Error: cyclic/);
});

test('what has no members of its own is what it holds, or its text', () => {
  const built = { re: /a.b/gi, query: new URLSearchParams('a=1&a=2'), headers: new Headers({ b: '1' }), made: new (class { #eur = 1; toString() { return `${this.#eur} EUR`; } })() };
  assert.deepEqual(plain({ ...built, waits: Promise.resolve(), number: Object(1), no: Object(false) }), {
    headers: { b: '1' }, made: '1 EUR', no: false, number: 1, query: 'a=1&a=2', re: '/a.b/gi', waits: '[object Promise]',
  });
  assert.deepEqual(plain([{}, new Map(), new Headers(), Object.create(null), new (class Empty {})()]), [{}, {}, {}, {}, {}]);
  const once = [1, 2].values();
  plain(once);
  assert.deepEqual([...once], [1, 2]);
});

test('of what is shared widely no more is made than a record takes', () => {
  const leaves = [1, '', [], {}, 'x'.repeat(8000), Buffer.alloc(8000), new Error('e')];
  for (const leaf of leaves) {
    for (const around of [(inner) => Array(100).fill(inner), (inner) => new Map(Array.from({ length: 100 }, (_, n) => [n, inner])), (inner) => new Set([[inner], [inner], [inner]])]) {
      let shared = leaf;
      for (let level = 0; level < 6; level++) shared = around(shared);
      assert.ok(JSON.stringify(plain(shared)).length < 4_000_000);
    }
  }
  let shared = 1;
  for (let level = 0; level < 4; level++) shared = Array(100).fill(shared);
  assert.ok(toMsgpack(plain(shared)).length > 65_536);
});

describe('safety', () => {
  test('no argument throws; all is counted', async () => {
    const client = new Client({ source: 'fuzz', tcpPort: await freePort(), quiet: true, bufferBytes: 50_000 });
    const bad = { toString: () => { throw new Error('no'); }, get x() { throw new Error('no'); } };
    const logs = { toString: () => { client.logEvent('info', 'again'); return 'logs'; } };
    const values = [undefined, null, '', '\ud800', 'x'.repeat(9000), 0, -1, 1e400, Number.NaN, 2n ** 80n, [], {}, bad, logs, Symbol('s'), () => 0, new Map([[{}, 1]]), new Set([1]), new Date(Number.NaN), new Proxy({}, { ownKeys() { throw new Error('no'); } }), Buffer.from([255]), new Error('e')];
    let seed = 1;
    const pick = () => values[(seed = (seed * 48271) % 2147483647) % values.length];
    const calls = ['logEvent', 'logMetric', 'logProgress', 'logResource', 'startSpan', 'endSpan', 'setContext'];
    for (let n = 0; n < 10_000; n++) client[calls[n % calls.length]](pick(), pick(), pick(), pick());
    const stats = client.stats();
    assert.equal(stats.accepted, stats.sent + stats.queued + Object.values(stats.dropped).reduce((a, b) => a + b));
    assert.ok(stats.queuedBytes <= 50_000 && stats.dropped.encode > 0);
    await client.close();
  });

  test('the last fifth is for what is important; a close without a sidecar does not wait', async () => {
    const client = new Client({ source: 'full', tcpPort: await freePort(), quiet: true, bufferBytes: 20_000 });
    while (client.logEvent('info', 'ordinary'));
    assert.equal(client.logEvent('error', 'important'), true);
    assert.equal(client.logEvent('info', 'ordinary'), false);
    assert.equal(await client.close(), false);
    assert.equal(client.logEvent('info', 'closed'), false);
  });

  test('a sidecar that never reads stops nobody', async () => {
    const fake = await startFake({ isDeaf: true });
    const client = new Client({ source: 'stuck', tcpPort: fake.port, quiet: true, bufferBytes: 100_000 });
    await client.ready();
    for (let n = 0; n < 20_000; n++) client.logEvent('info', 'x'.repeat(1000));
    assert.ok(client.stats().dropped.full > 0);
    await client.close(100);
    await fake.close();
  });

  test('disabled costs nothing', async () => {
    const client = new Client({ disabled: true });
    assert.equal(client.logEvent('info', 'x'), false);
    assert.equal(await client.flush(), true);
    assert.equal(await client.close(), true);
  });
});

test('clients that were closed are forgotten', async () => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc');
  const port = await freePort();
  const make = (jobId) => init({ source: 'jobs', tcpPort: port, quiet: true, jobId });
  const closed = ['1', '2'].map((job) => new WeakRef(make(job)));
  await Promise.all(closed.map((one) => one.deref().close()));
  const last = make('3');
  for (let tries = 0; tries < 100 && closed.some((one) => one.deref() !== undefined); tries++) {
    await pause(10);
    gc();
  }
  assert.deepEqual(closed.map((one) => one.deref()), [undefined, undefined]);
  await last.close();
});

describe('delivery', () => {
  test('a late sidecar and one that goes', async () => {
    const port = await freePort();
    const client = new Client({ source: 'late', tcpPort: port, quiet: true });
    for (let n = 0; n < 5; n++) client.logEvent('info', String(n));
    const fake = await startFake({ port });
    assert.equal(await client.flush(10_000), true);
    assert.deepEqual((await fake.arrived(5)).map(({ data }) => data.message), ['0', '1', '2', '3', '4']);
    await fake.close();
    await pause(50);
    client.logEvent('info', 'after');
    const again = await startFake({ port });
    assert.equal(await client.flush(10_000), true);
    assert.equal((await again.arrived(1))[0].data.message, 'after');
    await client.close();
    await again.close();
  });

  test('a path is a Unix socket', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'monitoring-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'sidecar.sock');
    const fake = await startFake({ path });
    const client = new Client({ source: 'unix', tcpHost: path, quiet: true });
    client.logEvent('info', 'by path');
    assert.equal(await client.flush(5000), true);
    assert.equal((await fake.arrived(1))[0]?.data.message, 'by path');
    await client.close();
    await fake.close();
  });

  test('what a refused connection had is counted; what comes then waits for a welcome', async () => {
    let known = 'new';
    const answer = (socket, { type, data }) => {
      if (type === 'hello' && data.token === known) socket.write('{"type":"welcome","data":{"v":1}}\n');
      else if (type === 'hello') socket.end('{"type":"error","data":{"code":"auth","message":"the token is wrong"}}\n');
    };
    const fake = await startFake({ answer });
    const client = new Client({ source: 'refused', tcpPort: fake.port, quiet: true, token: 'old' });
    client.logEvent('info', 'refused');
    while (client.stats().connects < 3) await pause(5);
    client.logEvent('info', 'waits');
    assert.equal(await client.flush(50), false);
    const { sent, queued, dropped } = client.stats();
    assert.deepEqual([sent, queued, dropped.refused], [0, 1, 1]);
    known = 'old';
    assert.equal(await client.flush(10_000), true);
    assert.equal(client.stats().sent, 1);
    await client.close();
    assert.deepEqual(fake.records().filter(({ type }) => type === 'event').map(({ data }) => data.message), ['refused', 'waits']);
    await fake.close();
  });

  test('what is logged while a connection that was refused is still open goes to the next one', async () => {
    const refusal = '{"type":"error","data":{"code":"auth","message":"say hello"}}\n';
    const fake = await startFake({
      answer: (socket) => {
        socket.write(refusal);
        setTimeout(() => socket.end(), 200);
      },
    });
    const client = new Client({ source: 'none', tcpPort: fake.port, quiet: true });
    const refused = async (count) => {
      const endMs = Date.now() + 10_000;
      while (client.stats().dropped.refused < count && Date.now() < endMs) await pause(5);
      return [client.stats().dropped.refused, client.stats().sent];
    };
    client.logEvent('info', 'first');
    assert.deepEqual(await refused(1), [1, 0]);
    client.logEvent('info', 'second');
    assert.equal(client.stats().queued, 1);
    assert.deepEqual(await refused(2), [2, 0]);
    await client.close();
    await fake.close();
  });

  test('a client that has no token where one is asked for counts what is refused, and says so once', async () => {
    const fake = await startFake({ answer: (socket) => socket.end('{"type":"error","data":{"code":"auth","message":"say hello"}}\n') });
    const program = `import { Client } from ${JSON.stringify(ESM)}; const m = new Client({ source: 'none', tcpPort: ${fake.port} });
      for (let n = 0; n < 3; n++) { m.logEvent('info', 'x'); while (m.stats().dropped.refused <= n) await new Promise((done) => setTimeout(done, 5)); }
      await m.close(); console.log(JSON.stringify(m.stats()))`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program]);
    const said = { out: '', err: '' };
    child.stdout.on('data', (bytes) => { said.out += bytes; });
    child.stderr.on('data', (bytes) => { said.err += bytes; });
    await once(child, 'close');
    const { accepted, sent, dropped } = JSON.parse(said.out);
    assert.deepEqual([accepted, sent, dropped.refused], [3, 0, 3]);
    assert.equal(said.err.split(' refuses: ').length, 2, said.err);
    await fake.close();
  });

  test('what is not acknowledged is sent again', async () => {
    const port = await freePort();
    const answers = (upto) => (socket, { type, seq }) => {
      if (type === 'hello') socket.write(`{"type":"welcome","data":{"v":1,"last_seq":${upto},"window":1000}}\n`);
      if (type === 'event' && seq <= 2 + upto * 10) socket.write(`{"type":"ack","data":{"seq":${seq}}}\n`);
    };
    const fake = await startFake({ port, answer: answers(0) });
    const client = new Client({ source: 'acked', tcpPort: port, quiet: true, ack: 'memory' });
    for (let n = 0; n < 3; n++) client.logEvent('info', String(n));
    await fake.arrived(4);
    assert.equal(await client.flush(300), false);
    assert.deepEqual([client.stats().sent, client.stats().queued], [2, 1]);
    await fake.close();
    client.logEvent('info', '3');
    const again = await startFake({ port, answer: answers(2) });
    assert.equal(await client.flush(10_000), true);
    assert.deepEqual(again.records().filter(({ type }) => type === 'event').map(({ data }) => data.message), ['2', '3']);
    assert.equal(client.stats().sent, 4);
    await client.close();
    await again.close();
  });

  test('the last record arrives however the process ends', async () => {
    for (const end of ['', 'process.exit(3)', 'throw new Error("x")', 'process.kill(process.pid, "SIGKILL")']) {
      const fake = await startFake();
      const program = `import { init } from ${JSON.stringify(ESM)}; const m = init({ source: 'ends', tcpPort: ${fake.port}, quiet: true }); await m.ready(); m.logEvent('info', 'last'); ${end}`;
      const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'ignore' });
      await once(child, 'exit');
      assert.equal((await fake.arrived(1))[0]?.data.message, 'last', end);
      await fake.close();
    }
  });

  test('a program that ends by itself flushes, and is not held up', async () => {
    const fake = await startFake();
    const program = `import { init } from ${JSON.stringify(ESM)}; init({ source: 'ends', tcpPort: ${fake.port}, quiet: true }).logEvent('info', 'unconnected');`;
    await new Promise((resolve, reject) => execFile(process.execPath, ['--input-type=module', '-e', program], (error) => (error ? reject(error) : resolve())));
    assert.equal((await fake.arrived(1))[0]?.data.message, 'unconnected');
    await fake.close();
  });

  test('a program that ends by itself ends, without a sidecar too', async () => {
    const port = await freePort();
    const program = `import { init } from ${JSON.stringify(ESM)}; init({ source: 'ends', tcpPort: ${port}, quiet: true }).logEvent('info', 'lost');`;
    await new Promise((resolve, reject) => execFile(process.execPath, ['--input-type=module', '-e', program], { timeout: 30_000 }, (error) => (error ? reject(error) : resolve())));
  });
});
