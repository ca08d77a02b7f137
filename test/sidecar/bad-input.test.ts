import { chmodSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { pack } from 'msgpackr';
import {
  closeAll,
  connectTo,
  createFolder,
  faultsOf,
  inFolder,
  line,
  linesBelow,
  linesOf,
  NO_FAULTS,
  numbersOf,
  ONE_FILE,
  type RunningSidecar,
  runToEnd,
  send,
  startSidecar,
  until,
  write,
} from '../processes.ts';
import { sumOf } from '../prometheus.ts';

jest.setTimeout(180_000);

/** One sidecar takes all of it: what one test does to it, the others would see. */
let sidecar: RunningSidecar;
beforeAll(async () => {
  sidecar = await startSidecar({ yaml: ONE_FILE.replace('all.jsonl', '"{source}.jsonl"') });
});
afterAll(closeAll);

const rejected = async (reason: string) => {
  const metrics = await sidecar.metrics();
  return metrics.includes('sidecar_rejected_total{')
    ? sumOf(metrics, 'sidecar_rejected_total', { reason })
    : 0;
};

const residentBytes = () =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${sidecar.pid}/status`, 'utf8'))?.[1]) * 1024;

const out = (source: string) => linesOf(join(sidecar.folder, 'out', `${source}.jsonl`));

let serial = 0;
/** A source that no other test uses. */
const fresh = () => `test-${++serial}`;

/** Waits until a source's file has the numbers 0 to `count - 1`, each once, in order. */
async function delivers(source: string, count: number): Promise<void> {
  await until(
    () => out(source).length >= count,
    `${count} lines of ${source}`,
    () => out(source),
  );
  expect(numbersOf(out(source), source)).toEqual(Array.from({ length: count }, (_, n) => n));
}

/** Waits until one more was rejected for `reason`; what else the log said of it. */
async function counts(reason: string, act: () => Promise<unknown>, times = 1): Promise<void> {
  const before = await rejected(reason);
  await act();
  await until(async () => (await rejected(reason)) >= before + times, `${reason} is counted`, sidecar.stderr);
  expect(await rejected(reason)).toBe(before + times);
  expect(sidecar.isRunning()).toBe(true);
}

describe('a bad line costs itself only', () => {
  test.each([
    ['json', 'no JSON', '{"source":"x",nonsense}\n'],
    ['json', 'cut off', '{"source":"x"\n'],
    ['json', 'with NUL between', '{"source":\u0000"x"}\n'],
    ['json', 'after a BOM', `\uFEFF${line(9, 'bom')}`],
    ['not_object', 'an array', '[1,2,3]\n'],
    ['not_object', 'a number', '42\n'],
    ['utf8', 'no UTF-8', Buffer.from('{"source":"\xff\xfe","type":"event"}\n', 'latin1')],
    ['utf8', 'a lone surrogate in UTF-8', Buffer.from('{"source":"\xed\xa0\x80"}\n', 'latin1')],
    ['schema', 'without a source', '{"type":"event","data":{}}\n'],
    ['schema', 'with a source that is no text', '{"source":7,"type":"event","data":{}}\n'],
    [
      'schema',
      'with a source that is too long',
      `${JSON.stringify({ source: 'x'.repeat(129), type: 'event' })}\n`,
    ],
    ['too_large', 'too large', `{"source":"x","type":"event","data":"${'x'.repeat(1_100_000)}"}\n`],
    [
      'too_deep',
      'too deep',
      `{"source":"x","type":"event","data":${'['.repeat(100_000)}${']'.repeat(100_000)}}\n`,
    ],
  ])('%s: a line that is %s', async (reason, _, bad) => {
    const source = fresh();
    await counts(
      reason,
      () => send(sidecar.port, line(0, source), bad, line(1, source), bad, line(2, source)),
      2,
    );
    await delivers(source, 3);
  });

  test('at the start of a connection, where only the first byte decides', async () => {
    const source = fresh();
    await counts('json', () => send(sidecar.port, '{nonsense}\n', line(0, source)));
    await delivers(source, 1);
  });

  test('more than 100 of them, and more than half, close the connection', async () => {
    const source = fresh();
    await counts('bad_lines', () => send(sidecar.port, line(0, source), '{bad\n'.repeat(500)));
    await delivers(source, 1);
  });
});

describe('a bad first byte closes the connection', () => {
  test.each([
    ['first_byte', 'garbage', Buffer.from([0xff, 0x00, 0x12])],
    ['first_byte', 'a NUL-free binary', Buffer.from([0x03, 0x01])],
    ['first_byte', 'a BOM', Buffer.from('\uFEFF{"source":"x"}\n')],
    [
      'http',
      'a browser',
      'POST / HTTP/1.1\r\nHost: x\r\n\r\n{"source":"smuggled","type":"event","data":{}}\n',
    ],
    ['tls_hello', 'a TLS client', Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00])],
  ])('%s: %s', async (reason, _, bytes) => {
    await counts(reason, () => send(sidecar.port, bytes));
    const source = fresh();
    await send(sidecar.port, line(0, source));
    await delivers(source, 1);
    expect(out('smuggled')).toEqual([]);
  });
});

describe('a bad frame', () => {
  const record = (value: number, source: string) =>
    pack({ source, timestamp: '2025-10-20T10:30:45.123Z', type: 'metric', data: { name: 'n', value } });
  const header = (length: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(length);
    return bytes;
  };
  const framed = (payload: Uint8Array) => Buffer.concat([header(payload.length), payload]);
  const map = (key: string, rest: number[]) =>
    Buffer.from([0x81, 0xa0 + key.length, ...Buffer.from(key), ...rest]);

  test.each([
    ['too_many', 'an array of 2³² elements', map('a', [0xdd, 0xff, 0xff, 0xff, 0xff])],
    ['too_many', 'a map of 2³² pairs', map('a', [0xdf, 0xff, 0xff, 0xff, 0xff])],
    ['too_large', 'a text of 2³² bytes', map('a', [0xdb, 0xff, 0xff, 0xff, 0xff])],
    ['too_deep', 'a depth of 100,000', map('a', Array<number>(100_000).fill(0x91))],
    ['msgpack', 'a byte that MessagePack never uses', map('a', [0xc1])],
  ])('%s: MessagePack with %s closes, and what came before is delivered', async (reason, _, bad) => {
    const source = fresh();
    await counts(reason, () =>
      send(sidecar.port, record(0, source), record(1, source), bad, record(2, source)),
    );
    await delivers(source, 2);
  });

  test('msgpack: in a frame it is skipped, what follows is delivered', async () => {
    const source = fresh();
    const bad = framed(Buffer.from([0x81, 0xa1, 0x61, 0xc1]));
    await counts('msgpack', () =>
      send(sidecar.port, framed(record(0, source)), bad, framed(record(1, source))),
    );
    await delivers(source, 2);
  });

  test('bad_length: a length beyond max_frame closes', async () => {
    const source = fresh();
    const tooLong = header(2 ** 24 - 1);
    await counts('bad_length', () => send(sidecar.port, framed(record(0, source)), tooLong, 'xxxx'));
    await delivers(source, 1);
  });

  test('truncated: a client that dies within a frame', async () => {
    const source = fresh();
    await counts('truncated', () => send(sidecar.port, record(0, source), record(1, source).subarray(0, 9)));
    await delivers(source, 1);
    await counts('truncated', () => send(sidecar.port, line(0, `${source}-b`), line(1, source).slice(0, 40)));
    await delivers(`${source}-b`, 1);
  });
});

test('256 MiB without a newline are counted once and cost no memory; the lines around them live', async () => {
  const source = fresh();
  const before = residentBytes();
  let most = 0;
  await counts('too_large', async () => {
    const socket = await connectTo({ port: sidecar.port });
    const block = Buffer.alloc(1 << 20, 'x');
    socket.write(line(0, source));
    socket.write('{"source":"');
    for (let i = 0; i < 256; i++) {
      if (!socket.write(block)) await new Promise((resolve) => socket.once('drain', resolve));
      most = Math.max(most, residentBytes());
      await nextTurn();
    }
    socket.end(`\n${line(1, source)}`);
    await delivers(source, 2);
  });
  // The bytes of the first MiB and of what one turn reads; by far not what was sent.
  expect(most - before).toBeLessThan(100 * 2 ** 20);
});

describe('what is odd but good is delivered unchanged', () => {
  test('numbers beyond 2⁵³, duplicate keys, escapes and spaces keep their text', async () => {
    const source = fresh();
    const text = `{"source":"${source}", "timestamp":"2025-10-20T10:30:45.123Z","type":"metric","data":{"value":12345678901234567890,"small":1e-400,"a":1,"a":2,"\\u0000":"\\ud83d\\ude00 ü \\u2028"}}`;
    await send(sidecar.port, `${text}\n`);
    await until(() => out(source).length === 1, 'delivered');
    expect(out(source)[0]!.startsWith(text.slice(0, -1))).toBe(true);
  });

  test('__proto__ and constructor are keys like others', async () => {
    const source = fresh();
    const text = `{"source":"${source}","timestamp":"2025-10-20T10:30:45.123Z","type":"event","__proto__":{"polluted":1},"data":{"__proto__":{"polluted":2},"constructor":{"prototype":{"polluted":3}}}}`;
    await send(sidecar.port, `${text}\n`);
    await until(() => out(source).length === 1, 'delivered');
    expect(out(source)[0]!.startsWith(text.slice(0, -1))).toBe(true);
    expect(JSON.stringify(await sidecar.get('/api/v1/config'))).not.toContain('polluted');
  });

  test('a source cannot leave its folder', async () => {
    const hostile = [
      '../../etc/passwd',
      '..',
      '/etc/passwd',
      'a/../../b',
      'C:\\windows',
      '-rf',
      '.hidden',
      '~',
    ];
    const before = linesBelow(sidecar.folder).length;
    await send(sidecar.port, ...hostile.map((source, i) => line(i, source)));
    await until(
      () => linesBelow(sidecar.folder).length === before + hostile.length,
      'all are delivered',
      () => readdirSync(join(sidecar.folder, 'out')),
    );
    const names = readdirSync(join(sidecar.folder, 'out'));
    expect(names.filter((name) => /^[.-]|[/\\]/.test(name))).toEqual([]);
    expect(readdirSync(sidecar.folder).sort()).toEqual(['data', 'out', 'sidecar.yaml']);
    expect(names.some((name) => name.includes('%2Fetc%2Fpasswd'))).toBe(true);
  });
});

test('10,000 distinct sources are delivered, and their series are capped', async () => {
  const many = await startSidecar({ yaml: ONE_FILE });
  const texts = Array.from({ length: 10_000 }, (_, i) => line(i, `many-${i}`));
  await send(many.port, texts.join(''));
  const file = join(many.folder, 'out', 'all.jsonl');
  await until(() => linesOf(file).length === 10_000, 'all are delivered', many.stderr);
  const numbers = linesOf(file).map((text) => Number(/"value":(\d+)/.exec(text)?.[1]));
  expect(faultsOf(numbers, 10_000)).toEqual(NO_FAULTS);
  const metrics = await many.metrics();
  expect(sumOf(metrics, 'sidecar_received_total')).toBe(10_000);
  expect(sumOf(metrics, 'sidecar_received_total', { source: '_other' })).toBe(9_000);
  expect(await many.stop()).toBe(0);
});

describe('a bad configuration is refused with its reasons', () => {
  const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefghi'
    .split('')
    .map((name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[i]}`).join(',')}]`)
    .join('\n')}\n`;
  test.each([
    ['a YAML bomb', bomb, /alias/i],
    [
      'an unknown key',
      `${ONE_FILE}rooting: {}\n`,
      /rooting: unknown key "rooting"; did you mean "routing"\?/,
    ],
    ['a wrong type', `${ONE_FILE}tcp: { port: many }\n`, /tcp\.port/],
    ['no YAML', 'routing: [', /not YAML/],
    ['a secret that is not there', `${ONE_FILE}tls: { cert: "\${file:/nowhere}", key: x }\n`, /nowhere/],
  ])('%s', async (_, yaml, why) => {
    const folder = createFolder();
    const path = write(join(folder, 'x.yaml'), inFolder(yaml, folder));
    const { code, program } = await runToEnd(['run', '--config', path], { cwd: folder });
    expect(code).toBe(1);
    expect(
      program
        .log()
        .map(({ msg }) => msg)
        .join('\n'),
    ).toMatch(why);
    expect(program.log()[0]!.msg).toContain(`${path}:`);
  });

  test('a file that may not be read', async () => {
    const folder = createFolder();
    const path = write(join(folder, 'x.yaml'), inFolder(ONE_FILE, folder));
    chmodSync(path, 0o000);
    // A superuser may read everything, unless that right is taken away.
    const through =
      process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-dac_override,-dac_read_search'] : [];
    const { code, program } = await runToEnd(['run', '--config', path], { cwd: folder, through });
    expect(code).toBe(1);
    expect(program.log()[0]!.msg).toContain('cannot read the file');
  });
});

test('after all of this it stops cleanly', async () => {
  expect(sidecar.isRunning()).toBe(true);
  expect(await sidecar.stop()).toBe(0);
});
