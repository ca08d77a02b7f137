import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { job } from '../../src/commands/job.ts';
import { why } from '../../src/commands/why.ts';
import type { JobView, ServiceView } from '../../src/correlate/view.ts';
import { closeAll, JOB, open, sourcesOf, tracesOf } from '../http/serving.ts';

afterEach(closeAll);

/** Runs the command against a sidecar that knows `known`. */
async function run(
  id: string,
  known: readonly JobView[],
  { json = false, columns }: { json?: boolean; columns?: number } = {},
) {
  const { address } = await open(sourcesOf({ traces: tracesOf(known) }));
  return ask(id, address, json, columns);
}

async function ask(id: string, url: string, json = false, columns?: number) {
  let text = '';
  const write = (more: string) => {
    text += more;
  };
  const code = await job(id, { url, json }, columns === undefined ? { write } : { write, columns });
  return { code, text };
}

const [first] = JOB.services;
const service = (fields: Partial<ServiceView>): ServiceView => ({ ...first!, ...fields });

const TREE = `job-12345:
  ├─ file-receiver: File received, validated, queued (2.3s)
  ├─ queue-service: Job dequeued, processing started (0.1s)
  └─ db-loader: Data loaded, 10,000 rows inserted (45.2s)

  Total: 47.6s
`;

describe('the tree', () => {
  test('is the one of the brief', async () => {
    expect(await run('job-12345', [JOB])).toEqual({ code: 0, text: TREE });
  });

  test('takes an address with a slash at the end', async () => {
    const { address } = await open();
    expect(await ask('job-12345', `${address}/`)).toEqual({ code: 0, text: TREE });
  });

  test.each([
    ['running', 40, 'job-12345: running, 40 %\n', 'Total: 47.6s so far\n'],
    ['running', undefined, 'job-12345: running\n', 'Total: 47.6s so far\n'],
    ['stalled', 99.6, 'job-12345: stalled, 100 %\n', 'Total: 47.6s so far\n'],
    ['failed', 40, 'job-12345: failed, 40 %\n', 'Total: 47.6s\n'],
    ['abandoned', undefined, 'job-12345: abandoned\n', 'Total: 47.6s\n'],
  ] as const)('marks a job that is %s at %s', async (state, percent, head, total) => {
    const { percent: _, ...rest } = JOB;
    const { text } = await run('job-12345', [{ ...rest, state, ...(percent !== undefined && { percent }) }]);
    expect(text.startsWith(head)).toBe(true);
    expect(text.endsWith(`\n\n  ${total}`)).toBe(true);
  });

  test('says that a flood left some of it out', async () => {
    const { text } = await run('job-12345', [{ ...JOB, warnings: ['approximate'] }]);
    expect(text).toMatch(/\n {2}Some messages were only counted: spans and times may lack\.\n$/);
  });

  test('marks errors and says something for a service that said nothing', async () => {
    const services = [
      service({ source: 'a', errors: 1 }),
      service({ source: 'b', errors: 12, summary: '', messages: 1 }),
      service({ source: 'c', summary: '', messages: 7 }),
    ];
    const { text } = await run('job-12345', [{ ...JOB, services }]);
    expect(text.split('\n').slice(1, 4)).toEqual([
      '  ├─ a: File received, validated, queued (2.3s) ✗ 1 error',
      '  ├─ b: 1 message (2.3s) ✗ 12 errors',
      '  └─ c: 7 messages (2.3s)',
    ]);
  });

  test('shows unattributed time over 1 %, and that old messages were summed up', async () => {
    const shown = async (fields: Partial<JobView>) => (await run('job-12345', [{ ...JOB, ...fields }])).text;
    expect(await shown({ unattributed_ms: 476 })).toBe(TREE);
    expect(await shown({ unattributed_ms: 5000 })).toBe(`${TREE}  Unattributed: 5.0s\n`);
    expect(await shown({ truncated: true })).toBe(`${TREE}  The oldest messages are known only as sums.\n`);
    expect(await shown({ total_ms: 0, unattributed_ms: 0 })).toContain('Total: 0.0s\n');
  });

  test.each([
    [0, '0.0s'],
    [0.2, '1ms'],
    [49, '49ms'],
    [50, '0.1s'],
    [100, '0.1s'],
    [59_949, '59.9s'],
    [59_950, '1m 00s'],
    [125_000, '2m 05s'],
    [3_599_600, '1h 00m'],
    [3_720_000, '1h 02m'],
    [360_000_000, '100h 00m'],
  ])('writes %s ms as %s', async (total_ms, written) => {
    const { text } = await run('job-12345', [{ ...JOB, total_ms }]);
    expect(text).toContain(`\n  Total: ${written}\n`);
  });

  test('a job without services has its total', async () => {
    expect((await run('job-12345', [{ ...JOB, services: [] }])).text).toBe('job-12345:\n\n  Total: 47.6s\n');
  });
});

describe('the terminal', () => {
  test('long summaries are cut to it, the time stays', async () => {
    const services = [service({ summary: 'word '.repeat(100) }), service({ source: 'b', summary: 'short' })];
    const { text } = await run('job-12345', [{ ...JOB, services }], { columns: 40 });
    expect(text.split('\n').slice(1, 3)).toEqual([
      '  ├─ file-receiver: word word wo… (2.3s)',
      '  └─ b: short (2.3s)',
    ]);
  });

  test('wide characters count twice and are not cut in two', async () => {
    const services = [
      service({ source: 'a', summary: '数据加载完成数据加载完成' }),
      service({ source: 'b', summary: '👩‍🚀'.repeat(20) }),
    ];
    const { text } = await run('job-12345', [{ ...JOB, services }], { columns: 30 });
    // 8 columns before the text and 7 after it leave 15: seven wide characters and the ellipsis.
    expect(text.split('\n').slice(1, 3)).toEqual([
      '  ├─ a: 数据加载完成数… (2.3s)',
      expect.stringMatching(/^ {2}└─ b: .+… \(2\.3s\)$/u),
    ]);
  });

  test('a terminal that is too narrow still shows a little', async () => {
    const { text } = await run('job-12345', [JOB], { columns: 5 });
    expect(text.split('\n')[1]).toBe('  ├─ file-receiver: File rece… (2.3s)');
  });

  test('nothing that a sender wrote can act on it', async () => {
    const hostile = '\x1b]0;owned\x07\x1b[2J\r\n\u202eevil\u2028\u0000\ud800';
    const services = [service({ source: `s${hostile}`, summary: hostile })];
    const known = [{ ...JOB, job_id: hostile, services }];
    const traces = { ...tracesOf(known), job: () => known[0] };
    const { address } = await open(sourcesOf({ traces }));
    const { code, text } = await ask('any', address);
    expect(code).toBe(0);
    expect(text).toContain('\\x1b]0;owned\\x07\\x1b[2J\\r\\n\\u202eevil');
    expect(text.replaceAll('\n', '')).not.toMatch(/\p{C}|\u2028/u);
    expect(text.split('\n')).toHaveLength(5);
    const json = await ask('any', address, true);
    expect(json.text.replaceAll('\n', '')).not.toMatch(/\p{C}|\u2028/u);
    expect(JSON.parse(json.text)).toMatchObject({ services: [{ summary: hostile }] });
  });

  test('any summary fits any terminal, and no line is broken', async () => {
    let summary = '';
    const traces = { ...tracesOf([]), job: () => ({ ...JOB, services: [service({ summary })] }) };
    const { address } = await open(sourcesOf({ traces }));
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: 'binary', maxLength: 200 }),
        fc.integer({ min: 40, max: 120 }),
        async (text, columns) => {
          summary = text;
          const line = (await ask('any', address, false, columns)).text.split('\n');
          expect(line).toHaveLength(5);
          expect([...new Intl.Segmenter().segment(line[1]!)].length).toBeLessThanOrEqual(columns);
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe('json', () => {
  test('is what the sidecar answered', async () => {
    const { code, text } = await run('job-12345', [JOB], { json: true });
    expect([code, JSON.parse(text)]).toEqual([0, { ...JOB, from: 'memory' }]);
  });

  test('also for a job that is not known', async () => {
    const { code, text } = await run('lost', [JOB], { json: true });
    expect([code, JSON.parse(text)]).toMatchObject([1, { error: 'no job "lost" is known' }]);
  });
});

describe('no tree', () => {
  test('a job that is not known is 1', async () => {
    const { code, text } = await run('lost', [JOB]);
    expect(code).toBe(1);
    expect(text).toMatch(/^no job "lost" is known: .+ \/api\/v1\/jobs lists them\.\n$/);
  });

  test.each(['a/b', '%', 'ü', 'a b', '?x#y', '\x1b[2J'])('the id %j is asked for as it is', async (id) => {
    expect(await run(id, [{ ...JOB, job_id: id }])).toMatchObject({ code: 0 });
    const lost = await run(id, []);
    expect(lost.code).toBe(1);
    expect(lost.text).not.toContain('\x1b');
  });

  test('an id that is no text is 1, not a crash', async () => {
    expect(await run('\ud800', [JOB])).toMatchObject({ code: 1 });
  });

  test.each(['.', '..', ''])('the id %j, which no URL can hold, is not found', async (id) => {
    expect(await run(id, [JOB])).toMatchObject({ code: 1 });
  });

  test('nobody listening is 1 and says what to do', async () => {
    const listener = createTcpServer().listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const { port } = listener.address() as AddressInfo;
    listener.close();
    await once(listener, 'close');
    for (const json of [false, true]) {
      const { code, text } = await ask('job-12345', `http://127.0.0.1:${port}`, json);
      expect(code).toBe(1);
      expect(text).toContain(`http://127.0.0.1:${port} does not answer: connect ECONNREFUSED`);
      expect(text).toContain('--url');
    }
  });

  test('a name with several addresses, none of which answers, says why', async () => {
    expect((await ask('j', 'http://localhost:65535')).text).toMatch(
      /does not answer: .*(ECONNREFUSED|EADDR)/,
    );
  });

  test.each(['nonsense', 'ftp://127.0.0.1', 'http://127.0.0.1:1', '\x1b[2J'])(
    'the address %j is 1',
    async (url) => {
      const { code, text } = await ask('job-12345', url);
      expect(code).toBe(1);
      expect(text).not.toContain('\x1b');
    },
  );

  test.each([
    [200, 'text/html', '<html>another program</html>'],
    [200, 'application/json', '{"job_id":"job-12345"}'],
    [200, 'application/json', '{"job_id":"j","services":"none"}'],
    [200, 'application/json', 'null'],
    [404, 'text/plain', 'not found'],
    [500, 'application/json', '{"error":"the sidecar failed to answer","hint":"its log says why"}'],
    [302, 'text/plain', ''],
    [500, 'text/plain', '\x1b[2J'],
  ])('a program that answers %s %s %s is 1', async (status, type, body) => {
    const other = createServer((_, response) => {
      response.writeHead(status, { 'Content-Type': type, Location: 'http://127.0.0.1:1/' }).end(body);
    }).listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const { code, text } = await ask('job-12345', `http://127.0.0.1:${port}`);
    other.close();
    other.closeAllConnections();
    expect(code).toBe(1);
    expect(text).toContain(`answers with status ${status}`);
    expect(text).not.toContain('\x1b');
  });

  test.each(['job', 'why'] as const)(
    'a token that is wrong is 1, and %s says where the right one is',
    async (name) => {
      const { address: url } = await open(sourcesOf(), {
        access: { token: () => 'right', tokenFile: () => '' },
      });
      const texts: string[] = [];
      const out = { write: (text: string) => void texts.push(text) };
      const options = { url, json: false, token: 'wrong' };
      expect(await (name === 'job' ? job : why)('job-1', options, out)).toBe(1);
      expect(texts.join('')).toMatch(/^http:\S+ asks for its token: give it with --token or SIDECAR_TOKEN/);
    },
  );

  test('a listener that closes at once is 1', async () => {
    const other = createTcpServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    expect(await ask('job-12345', `http://127.0.0.1:${port}`)).toMatchObject({ code: 1 });
    other.close();
  });
});
