import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, jest, test } from '@jest/globals';
import { why } from '../../src/commands/why.ts';
import type { Why } from '../../src/journal/view.ts';
import { closeAll as closeServers, open, sourcesOf } from '../http/serving.ts';
import {
  closeAll,
  createFolder,
  line,
  linesBelow,
  type RunningSidecar,
  runToEnd,
  send,
  startSidecar,
  TEST_MS,
  until,
} from '../processes.ts';

jest.setTimeout(TEST_MS);
afterEach(closeAll);
afterEach(closeServers);

/** Keeps what is printed. */
function screen() {
  const texts: string[] = [];
  return { write: (text: string) => void texts.push(text), text: () => texts.join('') };
}

async function run(id: string, find: Why['find'], json = false) {
  const { address } = await open(sourcesOf({ why: { find, memory: () => 'nothing is remembered yet' } }));
  const out = screen();
  return { code: await why(id, { url: address, json }, out), text: out.text() };
}

const MESSAGE = {
  id: 'm1',
  source: 'web',
  type: 'event',
  timestamp: '2025-10-20T10:30:45.000Z',
  received_at: '2025-10-20T10:30:45.000Z',
  job_id: 'job-1',
  seq: 7,
};

test('the story, a line a step', async () => {
  const { code, text } = await run('m1', () => ({
    message: MESSAGE,
    batch: {
      id: 'b',
      size: 3,
      closed: '2025-10-20T10:30:50.000Z',
      because: 'its first message had waited long enough',
    },
    backends: [
      {
        backend: 's3',
        state: 'filtered',
        because: 'no rule sends its source to this backend',
        rules: [],
        attempts: [],
        ended: '2025-10-20T10:30:50.001Z',
      },
      {
        backend: 'db',
        state: 'delivered',
        because: 'the backend has taken it',
        rules: ['routing.web[0]'],
        queued: '2025-10-20T10:30:50.002Z',
        target: 'events',
        attempts: [
          { time: '2025-10-20T10:30:50.010Z', attempt: 1, result: 'transient', ms: 8, error: 'Error: gone' },
          { time: '2025-10-20T10:30:51.000Z', attempt: 2, result: 'accepted', ms: 5 },
        ],
        place: 'events',
        ended: '2025-10-20T10:30:51.000Z',
      },
    ],
  }));
  expect(code).toBe(0);
  expect(text).toBe(`m1: event of web, number 7, job job-1
  received 2025-10-20T10:30:45.000Z
  batched  2025-10-20T10:30:50.000Z, 3 in all: its first message had waited long enough
  – s3: filtered +5001ms, no rule sends its source to this backend
  ✓ db: delivered +6000ms, the backend has taken it
      taken by routing.web[0]
      queued +5002ms for events
      attempt 1 +5010ms, transient after 8ms: Error: gone
      attempt 2 +6000ms, accepted after 5ms
      it is in events
`);
});

test('several messages are listed', async () => {
  const { code, text } = await run('job-1', () => ({ matches: [MESSAGE], total: 3 }));
  expect({ code, text }).toEqual({
    code: 0,
    text: 'm1  2025-10-20T10:30:45.000Z  event of web, number 7, job job-1\n\nThe newest 1 of 3.\nAsk for one of them: sidecar why ID\n',
  });
});

test('what is not known says why that may be', async () => {
  const { code, text } = await run('x', () => undefined);
  expect(code).toBe(1);
  expect(text).toBe('no message "x" is known: nothing is remembered yet.\n');
  expect(JSON.parse((await run('x', () => undefined, true)).text)).toMatchObject({
    error: 'no message "x" is known',
  });
});

test('nothing that a sender wrote can act on the terminal', async () => {
  const hostile = '\x1b]0;owned\x07\u202e\n';
  const find: Why['find'] = () => ({ matches: [{ ...MESSAGE, source: hostile }], total: 1 });
  for (const json of [false, true]) {
    const { text } = await run('x', find, json);
    expect(text.replaceAll('\n', '')).not.toMatch(/\p{C}/u);
  }
});

test('nobody listening says what to do', async () => {
  const out = screen();
  expect(await why('x', { url: 'http://127.0.0.1:1', json: false }, out)).toBe(1);
  expect(out.text()).toContain('--url');
});

const YAML = `
batch: { max_age: 20ms }
routing:
  counter:
    - backend: files
      filter: { match: { data.value: { lt: 10 } } }
      operators: [{ use: dedupe, by: [data.value], types: [metric], window: 1m }]
backends:
  files: { type: filesystem, base_path: $OUT, path: all.jsonl }
  other: { type: filesystem, base_path: $OUT, path: other.jsonl }
`;

test('the binary: delivered to a place in a file, filtered, dropped by an operator, not routed', async () => {
  const sidecar: RunningSidecar = await startSidecar({ yaml: YAML });
  const out = join(sidecar.folder, 'out');
  await send(sidecar.port, line(1, 'counter', { seq: 1 }));
  await until(() => linesBelow(out).length === 1, 'the first is delivered');
  await send(
    sidecar.port,
    line(1, 'counter', { seq: 2 }),
    line(2, 'counter', { seq: 3 }),
    line(11, 'counter', { seq: 4 }),
  );
  await until(() => linesBelow(out).length === 2, 'the second is delivered');
  const ids: Record<number, string> = {};
  for (const seq of [1, 2, 3, 4]) ids[seq] = (await sidecar.get(`/api/v1/why/counter:${seq}`)).matches[0].id;
  const story = async (seq: number) => (await sidecar.get(`/api/v1/why/${ids[seq]}`)).backends;
  const file = join(out, 'all.jsonl');
  expect(await story(1)).toMatchObject([
    { backend: 'other', state: 'filtered', because: 'no rule sends its source to this backend' },
    {
      backend: 'files',
      state: 'delivered',
      rules: ['routing.counter[0]'],
      place: `${file} from byte 0`,
      attempts: [{ result: 'accepted' }],
    },
  ]);
  expect((await story(2))[1]).toMatchObject({ state: 'filtered', because: 'operator dedupe dropped it' });
  expect((await story(3))[1]).toMatchObject({
    state: 'delivered',
    place: `${file} from byte ${Buffer.byteLength(`${linesBelow(out)[0]}\n`)}`,
  });
  expect((await story(4))[1]).toMatchObject({
    state: 'filtered',
    because: 'the rule’s filter does not take it',
  });
  const url = `http://${sidecar.listening.http}`;
  const { code, stdout } = await runToEnd(['why', ids[1]!, '--url', url], { cwd: createFolder() });
  expect(code).toBe(0);
  expect(stdout).toContain(`${ids[1]}: metric of counter, number 1\n`);
  expect(stdout).toContain(`      it is in ${file} from byte 0\n`);
});

test('the binary: a message that waits for its batch is known, and listed with the others', async () => {
  const sidecar = await startSidecar({ yaml: YAML.replace(/max_age: \w+/, 'max_age: 1h') });
  await send(sidecar.port, line(1), line(2));
  const list = async () => (await sidecar.get('/api/v1/messages')).messages;
  await until(async () => (await list()).length === 2, 'both are listed', sidecar.stderr);
  const [newest, oldest] = await list();
  expect([newest.record.data.value, oldest.record.data.value]).toEqual([2, 1]);
  const url = `http://${sidecar.listening.http}`;
  const { code, stdout } = await runToEnd(['why', newest.id, '--url', url], { cwd: createFolder() });
  expect([code, stdout]).toEqual([0, expect.stringContaining('waits until the batch of its source closes')]);
});

test('the binary: a backend that is down for long shows its first attempts and a few of the others', async () => {
  const sidecar = await startSidecar({
    yaml: `
batch: { max_age: 20ms }
routing: { default: [{ backend: files }] }
backends:
  files:
    type: filesystem
    base_path: $OUT
    create_base_path: false
    retry: { initial: 1ms, max: 5ms }
    breaker: { failures: 1000 }
`,
  });
  await send(sidecar.port, line(1, 'counter', { seq: 1 }));
  const attempts = async () => {
    const { matches } = await sidecar.get('/api/v1/why/counter:1');
    if (matches === undefined) return [];
    const { backends } = await sidecar.get(`/api/v1/why/${matches[0].id}`);
    return backends.flatMap((one: { attempts: readonly { attempt: number }[] }) => one.attempts);
  };
  await until(async () => (await attempts()).length >= 5, 'sixteen attempts', sidecar.stderr);
  expect((await attempts()).slice(0, 5).map(({ attempt }: { attempt: number }) => attempt)).toEqual([
    1, 2, 4, 8, 16,
  ]);
  mkdirSync(join(sidecar.folder, 'out'));
  await until(async () => (await attempts()).at(-1).result === 'accepted', 'it is delivered', sidecar.stderr);
});
