import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, jest, test } from '@jest/globals';
import {
  closeAll,
  createFolder,
  inFolder,
  line,
  linesOf,
  send,
  startSender,
  startSidecar,
  until,
  write,
} from '../processes.ts';
import { samplesOf, sumOf } from '../prometheus.ts';

jest.setTimeout(180_000);
afterEach(closeAll);

/** What the exposition's own help promises, for every backend that it names. */
function balances(metrics: string) {
  const backends = new Set(samplesOf(metrics, 'sidecar_in_flight').map(({ labels }) => labels.backend!));
  const received = sumOf(metrics, 'sidecar_received_total');
  return [...backends].sort().map((backend) => {
    const of = (name: string) =>
      samplesOf(metrics, name)
        .filter(({ labels }) => labels.backend === backend)
        .reduce((sum, { value }) => sum + value, 0);
    const ended = of('sidecar_outcomes_total');
    const inFlight = of('sidecar_in_flight');
    return { backend, missing: received + of('sidecar_added_total') - ended - inFlight, inFlight };
  });
}

const DOUBLE = `
import type { Operator } from 'monitoring-sidecar';
import { concatMap, of } from 'rxjs';
const twice: Operator = () => (message$) => message$.pipe(concatMap((message) => of(message, message)));
export default twice;
`;
const PICKY = `
import { dataOf, type Operator } from 'monitoring-sidecar';
import { filter } from 'rxjs';
const picky: Operator = () => (message$) =>
  message$.pipe(
    filter((message) => {
      const { value } = dataOf(message);
      if (typeof value === 'number' && value % 100 === 99) throw new Error('I do not like it');
      return typeof value === 'number' && value % 2 === 0;
    }),
  );
export default picky;
`;

const yaml = (guest: boolean) => `
batch: { max_age: 50ms, max_count: 37 }
reload: { debounce: 20ms, poll: 500ms, drain: 2s }
routing:
  busy:
    - backend: files
    - backend: files
      filter: { types: [event] }
      config: { path: events.jsonl }
    - backend: ${guest ? 'guest' : 'other'}
      operators: [picky]
  double:
    - backend: other
      operators: [twice]
  default:
    - backend: other
      filter: { sample: 0.5 }
  all:
    - backend: files
      filter: { types: [none] }
backends:
  files: { type: filesystem, base_path: $OUT/files, path: all.jsonl }
  other: { type: filesystem, base_path: $OUT/other, path: all.jsonl }
${guest ? '  guest: { type: filesystem, base_path: $OUT/guest, path: all.jsonl }' : ''}
`;

test('received + added = outcomes + in flight, at every moment, from the metrics alone', async () => {
  const folder = createFolder();
  write(join(folder, 'pipelines', 'twice.ts'), DOUBLE);
  write(join(folder, 'pipelines', 'picky.ts'), PICKY);
  const sidecar = await startSidecar({ folder, yaml: yaml(false) });
  const senders = await Promise.all(
    ['busy', 'double', 'somebody'].map((source) => startSender(sidecar.port, { source, pauseMs: 2 })),
  );
  const applied = () => sidecar.log().filter(({ msg }) => msg === 'configuration applied').length;
  const wrong: unknown[] = [];
  const look = async () => {
    wrong.push(...balances(await sidecar.metrics()).filter(({ missing }) => missing !== 0));
  };
  for (let turn = 1; turn <= 6; turn++) {
    writeFileSync(sidecar.path, inFolder(yaml(turn % 2 === 1), folder));
    await send(sidecar.port, line(turn, 'busy', { type: 'event' }), '{bad\n');
    await until(
      async () => {
        await look();
        return applied() >= turn;
      },
      `edit ${turn} is applied`,
      sidecar.stderr,
    );
  }
  const sent = (await Promise.all(senders.map((sender) => sender.stop()))).reduce(
    (sum, count) => sum + count,
    6,
  );
  await until(
    async () => balances(await sidecar.metrics()).every(({ inFlight }) => inFlight === 0),
    'everything has its outcome',
    sidecar.stderr,
  );
  await look();
  expect(wrong).toEqual([]);

  const metrics = await sidecar.metrics();
  const of = (name: string, labels: Record<string, string>) => sumOf(metrics, name, labels);
  expect(sumOf(metrics, 'sidecar_received_total')).toBe(sent);
  expect(of('sidecar_rejected_total', { reason: 'json' })).toBe(6);
  expect(of('sidecar_reloads_total', { result: 'applied' })).toBe(6);
  expect(balances(metrics).map(({ backend }) => backend)).toEqual(['files', 'guest', 'other']);
  expect(of('sidecar_operator_errors_total', {})).toBeGreaterThan(0);
  // What the metrics call delivered is in the files, line by line.
  const { busy, double } = Object.fromEntries(
    ['busy', 'double'].map((source) => [source, of('sidecar_received_total', { source })]),
  ) as { busy: number; double: number };
  const lines = (...path: string[]) => linesOf(join(folder, 'out', ...path));
  const delivered = (backend: string) => of('sidecar_outcomes_total', { backend, outcome: 'delivered' });
  expect(delivered('files')).toBe(busy + 6);
  expect(lines('files', 'all.jsonl')).toHaveLength(busy);
  expect(lines('files', 'events.jsonl')).toHaveLength(6);
  expect(delivered('guest')).toBe(lines('guest', 'all.jsonl').length);
  expect(delivered('other')).toBe(lines('other', 'all.jsonl').length);
  expect(lines('other', 'all.jsonl').filter((text) => text.startsWith('{"source":"double"'))).toHaveLength(
    2 * double,
  );
  expect(await sidecar.stop()).toBe(0);
});
