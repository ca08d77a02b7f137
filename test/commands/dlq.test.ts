import { once } from 'node:events';
import { appendFileSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { asyncScheduler } from 'rxjs';
import { type DlqAction, type DlqOptions, dlq } from '../../src/commands/dlq.ts';
import {
  closeAll,
  createFolder,
  line,
  linesBelow,
  linesOf,
  numbersOf,
  ONE_FILE,
  type RunningSidecar,
  runToEnd,
  send,
  startSender,
  startSidecar,
  TEST_MS,
  until,
  write,
} from '../processes.ts';

jest.setTimeout(TEST_MS);
const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) server.close();
  await closeAll();
});

/** Runs the command. */
async function run(action: DlqAction, options: Partial<DlqOptions>) {
  let text = '';
  const out = {
    write(more: string) {
      text += more;
    },
  };
  const defaults = { url: 'http://127.0.0.1:1', id: [], json: false, maxRetries: 3, all: false };
  const code = await dlq(action, { ...defaults, ...options }, { out, scheduler: asyncScheduler });
  return { code, text };
}

interface LetterFields {
  readonly backend?: string;
  readonly reason?: string;
  readonly source?: string;
  readonly error?: string;
  readonly dead_at?: string;
  readonly more?: string;
}

const idOf = (n: number) => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;

/** A letter's line as the sidecar writes it. */
const letterLine = (n: number, fields: LetterFields = {}) => {
  const { backend = 'db', reason = 'permanent', source = 'web', error = 'Permanent: no', more = '' } = fields;
  const { dead_at = `2025-10-20T10:30:${String(n).padStart(2, '0')}.000Z` } = fields;
  const head = JSON.stringify({ dead_at, backend, reason, error, attempts: 1, config: 'c0', target: 't' });
  const record = `{"source":${JSON.stringify(source)},"type":"metric","data":{"value":${n}}${more},"id":"${idOf(n)}","received_at":"2025-10-20T10:30:00.000Z"}`;
  return `${head.slice(0, -1)},"record":${record}}\n`;
};

/** A folder whose dead letters are these, by file. */
function dataDirOf(files: Readonly<Record<string, string>>): string {
  const dataDir = createFolder();
  for (const [name, text] of Object.entries(files)) write(join(dataDir, 'dead-letters', name), text);
  return dataDir;
}

const lettersIn = (dataDir: string) =>
  readdirSync(join(dataDir, 'dead-letters'))
    .sort()
    .flatMap((name) => linesOf(join(dataDir, 'dead-letters', name)));
const valuesIn = (dataDir: string) => lettersIn(dataDir).map((text) => JSON.parse(text).record.data.value);

/** Something that listens as a sidecar does, and keeps what it gets. */
async function listen(onSocket: (socket: Socket) => void) {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    onSocket(socket);
  }).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function reader() {
  const got: string[] = [];
  const to = await listen((socket) => {
    let text = '';
    socket.setEncoding('utf8').on('data', (more: string) => {
      text += more;
    });
    socket.on('end', () => {
      got.push(...text.split('\n').filter(Boolean));
      socket.end();
    });
  });
  return { got, to };
}

describe('ls', () => {
  const dataDir = () =>
    dataDirOf({
      'db.ndjson.1': letterLine(1) + letterLine(2, { error: 'older' }),
      'db.ndjson': letterLine(3, { error: 'newest\x1b[2J' }) + letterLine(4, { source: 'api' }),
      'files.ndjson': `{"dead_at":"2025-\n${letterLine(5, { backend: 'files', reason: 'queue_full' })}`,
      'notes.txt': 'mine',
    });

  test('counts by backend, reason and source, the most first, with the last error', async () => {
    const { code, text } = await run('ls', { dataDir: dataDir() });
    expect(code).toBe(0);
    const rows = text.split('\n').map((row) => row.split(/ {2,}/));
    expect(rows.slice(0, 4)).toEqual([
      ['LETTERS', 'BACKEND', 'REASON', 'SOURCE', 'FIRST', 'LAST', 'LAST ERROR'],
      [
        '3',
        'db',
        'permanent',
        'web',
        '2025-10-20T10:30:01.000Z',
        '2025-10-20T10:30:03.000Z',
        'newest\\x1b[2J',
      ],
      ['1', 'db', 'permanent', 'api', expect.any(String), expect.any(String), 'Permanent: no'],
      ['1', 'files', 'queue_full', 'web', expect.any(String), expect.any(String), 'Permanent: no'],
    ]);
    expect(text).toContain('5 in all. Look at them: sidecar dlq show');
  });

  test.each<[Partial<DlqOptions>, number]>([
    [{ backend: 'db' }, 4],
    [{ reason: 'queue_full' }, 1],
    [{ source: 'w*' }, 4],
    [{ type: 'event' }, 0],
    [{ id: [idOf(2), idOf(5)] }, 2],
    [{ since: '2025-10-20T10:30:03Z' }, 3],
    [{ until: '2025-10-20T10:30:03Z' }, 2],
    [{ backend: 'db', since: '2025-10-20T12:30:02+02:00', until: '2025-10-20T10:30:04Z' }, 2],
    [{ since: '1h' }, 0],
  ])('%j is %s letters', async (filter, count) => {
    const { text } = await run('ls', { dataDir: dataDir(), json: true, ...filter });
    const groups = text
      .split('\n')
      .filter(Boolean)
      .map((row) => JSON.parse(row));
    expect(groups.reduce((sum, { letters }) => sum + letters, 0)).toBe(count);
  });

  test('a line that is no letter, or a folder beside them, hides none', async () => {
    const text = `null\n[]\n\u0000\n\n${letterLine(1)}`;
    const dataDir = dataDirOf({ 'db.ndjson': text, 'old.ndjson/db.ndjson': letterLine(2) });
    const { code, text: table } = await run('ls', { dataDir });
    expect([code, table.includes('1 in all.')]).toEqual([0, true]);
  });

  test('nothing there is no error', async () => {
    expect(await run('ls', { dataDir: createFolder() })).toMatchObject({
      code: 0,
      text: /^No dead letters match/,
    });
  });

  test.each(['yesterday', '12', '2025-10-20', '999999999999d'])(
    '%s is no time: wrong usage',
    async (since) => {
      expect(await run('rm', { dataDir: createFolder(), since })).toEqual({
        code: 2,
        text: `"${since}" is no time; write 30m, 2h, 1d, or 2025-10-20T10:30:00Z\n`,
      });
    },
  );

  test('without a folder and without a sidecar says what to do', async () => {
    const { code, text } = await run('ls', {});
    expect(code).toBe(1);
    expect(text).toContain("Give the sidecar's address with --url, or --data-dir.");
  });
});

describe('show', () => {
  test('the newest last, of all files, with why, and the record as it is', async () => {
    const dataDir = dataDirOf({
      'db.ndjson': letterLine(3, { more: ',"big":9007199254740993,"dlq_retries":2' }) + letterLine(1),
      'db.ndjson.taken-x': letterLine(2),
    });
    const { code, text } = await run('show', { dataDir });
    expect(code).toBe(0);
    expect(text.split('\n\n').map((page) => page.slice(0, 36))).toEqual([idOf(1), idOf(2), idOf(3), '']);
    expect(text).toContain(`${idOf(3)}  db  permanent  (1 attempt, target t, retried 2 ×)\n`);
    expect(text).toContain('"big":9007199254740993');
    expect((await run('show', { dataDir, limit: 1 })).text).toContain(
      'The newest 1 of 3; --limit shows more',
    );
  });

  test('as JSON: the lines, byte for byte', async () => {
    const lines = letterLine(1, { more: ',"x":1.10' }) + letterLine(2);
    const { text } = await run('show', { dataDir: dataDirOf({ 'db.ndjson': lines }), json: true });
    expect(text).toBe(lines);
  });

  test('nothing that a sender wrote can act on the terminal', async () => {
    const hostile = '\x1b]0;owned\x07\u202e';
    const dataDir = dataDirOf({
      'db.ndjson': letterLine(1, { source: hostile, error: hostile, backend: hostile }),
    });
    for (const json of [false, true]) {
      const { text } = await run('show', { dataDir, json });
      expect(text.replaceAll('\n', '')).not.toMatch(/\p{C}/u);
    }
  });
});

describe('rm', () => {
  test('what is meant, and nothing else: torn lines and other letters stay', async () => {
    const torn = '{"dead_at":"2025-';
    const dataDir = dataDirOf({
      'db.ndjson.1': letterLine(1) + letterLine(2, { source: 'api' }),
      'db.ndjson': `${letterLine(3)}${torn}`,
    });
    expect(await run('rm', { dataDir, source: 'web' })).toEqual({
      code: 0,
      text: '2 dead letters removed.\n',
    });
    expect(lettersIn(dataDir)).toEqual([torn, letterLine(2, { source: 'api' }).trim()]);
    expect(await run('rm', { dataDir, source: 'web' })).toEqual({
      code: 1,
      text: '0 dead letters removed.\n',
    });
  });

  test('what a command that was killed left is taken over, each letter once', async () => {
    const dataDir = dataDirOf({
      'db.ndjson': letterLine(1),
      'db.ndjson.taken-x': letterLine(2) + letterLine(3, { source: 'api' }),
      'db.ndjson.taken-x.kept': letterLine(3, { source: 'api' }),
    });
    expect((await run('rm', { dataDir, id: [idOf(2)] })).text).toBe('1 dead letter removed.\n');
    expect(readdirSync(join(dataDir, 'dead-letters'))).toEqual(['db.ndjson']);
    expect(valuesIn(dataDir)).toEqual([1, 3]);
  });

  test('everything only if that is said', async () => {
    const dataDir = dataDirOf({ 'db.ndjson': letterLine(1) });
    expect(await run('rm', { dataDir })).toEqual({
      code: 2,
      text: 'This would remove every letter: say which by a filter, or --all.\n',
    });
    expect(lettersIn(dataDir)).toHaveLength(1);
    expect((await run('rm', { dataDir, all: true })).code).toBe(0);
    expect(lettersIn(dataDir)).toHaveLength(0);
  });
});

describe('files larger than memory', () => {
  /** Letters of 1 KB, 192 MiB of them, the first one of another source. */
  function largeDataDir(): string {
    const dataDir = dataDirOf({ 'db.ndjson': letterLine(1, { source: 'api' }) });
    const lines = Buffer.from(letterLine(2, { more: `,"text":"${'x'.repeat(700)}"` }).repeat(1024));
    const path = join(dataDir, 'dead-letters', 'db.ndjson');
    while (statSync(path).size < 192 * 2 ** 20) appendFileSync(path, lines);
    return dataDir;
  }
  const env = { NODE_OPTIONS: '--max-old-space-size=64' };

  test('rm takes out one letter; the others stay, whole and in order', async () => {
    const dataDir = largeDataDir();
    const path = join(dataDir, 'dead-letters', 'db.ndjson');
    const bytes = readFileSync(path).subarray(letterLine(1, { source: 'api' }).length);
    const args = ['dlq', 'rm', '--source', 'api', '--data-dir', dataDir];
    const { code, stdout } = await runToEnd(args, { cwd: createFolder(), env });
    expect([code, stdout]).toEqual([0, '1 dead letter removed.\n']);
    expect(readdirSync(join(dataDir, 'dead-letters'))).toEqual(['db.ndjson']);
    expect(readFileSync(path).equals(bytes)).toBe(true);
  });

  test('retry sends one letter and keeps the others, behind those that came meanwhile', async () => {
    const dataDir = largeDataDir();
    const path = join(dataDir, 'dead-letters', 'db.ndjson');
    const { size } = statSync(path);
    const first = letterLine(1, { source: 'api' });
    const news = letterLine(3);
    const got: string[] = [];
    const to = await listen((socket) => {
      socket.on('data', (chunk) => got.push(String(chunk)));
      socket.on('end', () => {
        write(path, news);
        socket.end();
      });
    });
    const args = ['dlq', 'retry', '--source', 'api', '--data-dir', dataDir, '--to', to];
    const { code, stdout } = await runToEnd(args, { cwd: createFolder(), env });
    expect([code, stdout]).toEqual([0, '1 dead letter sent again.\n']);
    expect(JSON.parse(got.join(''))).toMatchObject({ id: idOf(1), dlq_retries: 1 });
    expect(readdirSync(join(dataDir, 'dead-letters'))).toEqual(['db.ndjson']);
    expect(statSync(path).size).toBe(size - first.length + news.length);
    expect(readFileSync(path).subarray(0, news.length).toString()).toBe(news);
  });

  test('the sidecar drops those that are too old', async () => {
    const old = letterLine(1, { backend: 'files' });
    const young = letterLine(2, { backend: 'files', dead_at: new Date().toISOString() });
    const folder = createFolder();
    const path = write(join(folder, 'data', 'dead-letters', 'files.ndjson'), old);
    const lines = Buffer.from(
      young.replace('"value":2', `"value":2,"text":"${'x'.repeat(700)}"`).repeat(1024),
    );
    while (statSync(path).size < 192 * 2 ** 20) appendFileSync(path, lines);
    const { size } = statSync(path);
    const sidecar = await startSidecar({
      folder,
      yaml: ONE_FILE,
      args: ['--data-dir', join(folder, 'data')],
      env,
    });
    await until(() => sidecar.hasLogged('info', 'Dropped dead letters'), 'the old one goes', sidecar.stderr);
    expect(readdirSync(join(folder, 'data', 'dead-letters'))).toEqual(['files.ndjson']);
    expect(statSync(path).size).toBe(size - old.length);
  });
});

describe('retry', () => {
  test('sends the text as it was, with its count, and removes the letter', async () => {
    const { got, to } = await reader();
    const more = ',"big":9007199254740993,"x":1.10';
    const dataDir = dataDirOf({ 'db.ndjson': letterLine(1, { more }) + letterLine(2, { backend: 'other' }) });
    expect(await run('retry', { dataDir, to, backend: 'db' })).toEqual({
      code: 0,
      text: '1 dead letter sent again.\n',
    });
    expect(got).toEqual([
      `{"source":"web","type":"metric","data":{"value":1}${more},"id":"${idOf(1)}","received_at":"2025-10-20T10:30:00.000Z","dlq_retries":1}`,
    ]);
    expect(valuesIn(dataDir)).toEqual([2]);
  });

  test('sends the record of a letter that a program wrote anew, in its own order and spaces', async () => {
    const { got, to } = await reader();
    const { record, ...why } = JSON.parse(letterLine(1));
    const letters = [
      { record, ...why },
      { ...why, note: { of: 1, record: 7 }, record },
      { ...why, record, note: '"record":{}' },
    ].map((letter) => JSON.stringify(letter));
    const spaced = letterLine(2).trim().replace('"record":{', '"record": {');
    const dataDir = dataDirOf({ 'db.ndjson': [...letters, spaced, ''].join('\n') });
    expect((await run('retry', { dataDir, to })).text).toBe('4 dead letters sent again.\n');
    expect(got.map((each) => JSON.parse(each))).toEqual([
      ...letters.map(() => ({ ...record, dlq_retries: 1 })),
      { ...JSON.parse(letterLine(2)).record, dlq_retries: 1 },
    ]);
  });

  test('more than one connection takes', async () => {
    const { got, to } = await reader();
    const count = 2500;
    const lines = Array.from({ length: count }, (_, n) =>
      letterLine(n, { dead_at: '2025-10-20T10:30:00.000Z' }),
    );
    const dataDir = dataDirOf({ 'db.ndjson': lines.join('') });
    expect((await run('retry', { dataDir, to })).text).toBe('2500 dead letters sent again.\n');
    expect(got.map((text) => JSON.parse(text).data.value)).toEqual(
      Array.from({ length: count }, (_, n) => n),
    );
    expect(lettersIn(dataDir)).toEqual([]);
  });

  test('stops after so many: a loop is noticed, and can be forced', async () => {
    const { got, to } = await reader();
    const dataDir = dataDirOf({ 'db.ndjson': letterLine(1, { more: ',"dlq_retries":3' }) + letterLine(2) });
    const { code, text } = await run('retry', { dataDir, to });
    expect(code).toBe(0);
    expect(text).toContain('1 dead letter sent again.\n1 dead letter stay: retried 3 times already.');
    expect(valuesIn(dataDir)).toEqual([1]);
    expect((await run('retry', { dataDir, to, maxRetries: 4 })).code).toBe(0);
    expect(got.map((sent) => JSON.parse(sent).dlq_retries)).toEqual([1, 4]);
  });

  test.each<[string, (socket: Socket) => void]>([
    ['turns clients away at once', (socket) => socket.end()],
    ['resets', (socket) => socket.resetAndDestroy()],
    ['dies while it reads', (socket) => socket.once('data', () => socket.destroy())],
    ['reads nothing and goes', (socket) => setTimeout(() => socket.destroy(), 20)],
  ])('a sidecar that %s costs no letter', async (_, onSocket) => {
    const to = await listen(onSocket);
    const dataDir = dataDirOf({ 'db.ndjson': letterLine(1) + letterLine(2), 'files.ndjson': letterLine(3) });
    const { code, text } = await run('retry', { dataDir, to });
    expect(code).toBe(1);
    expect(text).toMatch(/^0 dead letters sent again\.\n127\.0\.0\.1:\d+: .+; the other letters stay\n$/);
    expect(valuesIn(dataDir).sort()).toEqual([1, 2, 3]);
  });

  test('without a sidecar says so, and costs no letter', async () => {
    const dataDir = dataDirOf({ 'db.ndjson': letterLine(1) });
    expect(await run('retry', { dataDir, to: '127.0.0.1:1' })).toMatchObject({ code: 1 });
    expect(valuesIn(dataDir)).toEqual([1]);
  });
});

const STRICT = `
import type { Operator } from 'monitoring-sidecar';
import { dataOf } from 'monitoring-sidecar';
import { tap } from 'rxjs';
const strict: Operator = () => tap((message) => { if (Number(dataOf(message).value) % 2 === 1) throw new Error('odd'); });
export default strict;
`;
const LENIENT = `
import type { Operator } from 'monitoring-sidecar';
const strict: Operator = () => (message$) => message$;
export default strict;
`;
const YAML = `
batch: { max_age: 20ms }
reload: { debounce: 20ms, poll: 500ms }
routing:
  default:
    - backend: files
      operators: [strict]
backends:
  files: { type: filesystem, base_path: $OUT, path: all.jsonl }
`;

describe('the binary', () => {
  async function startStrict(): Promise<RunningSidecar> {
    const folder = createFolder();
    write(join(folder, 'pipelines', 'strict.ts'), STRICT);
    return startSidecar({ folder, yaml: YAML });
  }
  const deadIn = (sidecar: RunningSidecar) =>
    linesOf(join(sidecar.listening.data_dir, 'dead-letters', 'files.ndjson'));
  const cli = (sidecar: RunningSidecar, ...args: string[]) =>
    runToEnd(['dlq', ...args, '--url', `http://${sidecar.listening.http}`], { cwd: createFolder() });

  test('what died is listed, shown and, once its cause is mended, sent again through the rules of today', async () => {
    const sidecar = await startStrict();
    await send(sidecar.port, ...Array.from({ length: 6 }, (_, n) => line(n)));
    await until(() => deadIn(sidecar).length === 3, 'three letters');
    expect((await cli(sidecar, 'ls')).stdout).toMatch(/\n3 +files +operator_failed +counter /);
    expect((await cli(sidecar, 'show')).stdout).toMatch(/Z {2}\S+\/pipelines\/strict\.ts: odd\n/);
    expect(sidecar.hasLogged('error', 'strict.ts failed: odd; what it fails on')).toBe(true);
    expect(sidecar.stderr()).not.toContain('Subscriber.js');
    const { warnings } = await sidecar.get('/readyz');
    expect(warnings).toContainEqual(
      'backend files: an operator failed 3 times in the last minute; the messages are dead letters',
    );
    const { stdout } = await cli(sidecar, 'show', '--json', '--source', 'count*');
    expect(
      stdout
        .trim()
        .split('\n')
        .map((text) => JSON.parse(text).record.data.value),
    ).toEqual([1, 3, 5]);

    // Not mended: it comes back, with its count.
    expect(await cli(sidecar, 'retry')).toMatchObject({ code: 0, stdout: '3 dead letters sent again.\n' });
    await until(() => deadIn(sidecar).length === 3, 'they are back');
    expect(deadIn(sidecar).map((text) => JSON.parse(text).record.dlq_retries)).toEqual([1, 1, 1]);

    write(join(sidecar.folder, 'pipelines', 'strict.ts'), LENIENT);
    await until(() => sidecar.hasLogged('info', 'configuration applied'), 'the operator is mended');
    expect(await cli(sidecar, 'retry')).toMatchObject({ code: 0, stdout: '3 dead letters sent again.\n' });
    const out = join(sidecar.folder, 'out');
    await until(
      () => linesBelow(out).length === 6,
      'all are delivered',
      () => linesBelow(out).join('\n'),
    );
    expect(numbersOf(linesBelow(out)).sort()).toEqual([0, 1, 2, 3, 4, 5]);
    const again = linesBelow(out)
      .map((text) => JSON.parse(text))
      .filter(({ dlq_retries }) => dlq_retries === 2);
    expect(again).toHaveLength(3);
    for (const { id, sent_id } of again)
      expect([id, sent_id]).toEqual([expect.any(String), expect.any(String)]);
    expect(deadIn(sidecar)).toEqual([]);
    expect((await cli(sidecar, 'ls')).stdout).toMatch(/^No dead letters match/);
  });

  test('what dies while letters are sorted is not lost', async () => {
    const sidecar = await startStrict();
    const dataDir = sidecar.listening.data_dir;
    const sender = await startSender(sidecar.port, { block: 10, pauseMs: 1 });
    await until(() => existsSync(join(dataDir, 'dead-letters')), 'the first letter');
    let rounds = 0;
    while (rounds < 20 || deadIn(sidecar).length < 500) {
      await run('rm', { dataDir, source: 'nobody' });
      rounds++;
    }
    const sent = await sender.stop();
    expect(await sidecar.stop()).toBe(0);
    expect(valuesIn(dataDir).sort((a, b) => a - b)).toEqual(
      Array.from({ length: sent / 2 }, (_, n) => 2 * n + 1),
    );
    expect(readFileSync(join(dataDir, 'dead-letters', 'files.ndjson'), 'utf8').endsWith('\n')).toBe(true);
  });

  test.each([
    [['dlq', 'retry', '--max-retries', 'x'], 'expected a number from 1'],
    [['dlq', 'forget'], "unknown command 'forget'"],
  ])('%j is exit code 2', async (args, why) => {
    const { code, stderr } = await runToEnd(args, { cwd: createFolder() });
    expect(code).toBe(2);
    expect(stderr).toContain(why);
  });

  test('--help teaches', async () => {
    const { code, stdout } = await runToEnd(['dlq', '--help'], { cwd: createFolder() });
    expect(code).toBe(0);
    for (const text of ['ls ', 'show ', 'retry ', 'rm ', 'dlq_retries', 'sent_id'])
      expect(stdout).toContain(text);
  });
});
