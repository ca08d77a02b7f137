import { join } from 'node:path';
import { afterEach, expect, jest, test } from '@jest/globals';
import { closeAll, createFolder, linesOf, send, startSidecar, TEST_MS, until } from '../processes.ts';
import { fakeService, textsIn } from './cloudwatch-support.ts';

jest.setTimeout(TEST_MS);
afterEach(closeAll);

const record = (n: number, time: string, source = 'queue-service') =>
  `${JSON.stringify({ source, timestamp: time, type: 'event', data: { level: 'info', message: `m${n}`, n } })}\n`;

test('the binary delivers to streams by source; what is too old is a dead letter that says so', async () => {
  const fake = await fakeService();
  const folder = createFolder();
  const sidecar = await startSidecar({
    folder,
    yaml: `
batch: { max_age: 20ms }
routing:
  default:
    - backend: logs
      config: { log_group: /app/monitoring, log_stream: "{source}" }
backends:
  logs:
    type: cloudwatch
    region: us-east-1
    endpoint: ${fake.endpoint}
    credentials: { access_key_id: AKIATEST, secret_access_key: secret }
`,
  });
  let throttles = 3;
  fake.fault = () => (throttles-- > 0 ? { type: 'ThrottlingException', retryAfter: '0.05' } : undefined);
  const now = new Date().toISOString();
  const numbers = Array.from({ length: 500 }, (_, n) => n);
  await send(sidecar.port, ...numbers.map((n) => record(n, now)), record(1, now, 'other'));
  await send(sidecar.port, record(9999, '2020-01-01T00:00:00.000Z'));

  const numbersIn = (source: string) =>
    textsIn(fake, '/app/monitoring', source).map((text) => JSON.parse(text).data.n);
  await until(
    () => numbersIn('queue-service').length === 500,
    'all are there',
    () => sidecar.stderr(),
  );
  await until(() => numbersIn('other').length === 1, 'the other source is there');
  expect(numbersIn('queue-service').sort((a, b) => a - b)).toEqual(numbers);

  const letters = () => linesOf(join(sidecar.listening.data_dir, 'dead-letters', 'logs.ndjson'));
  await until(() => letters().length === 1, 'the dead letter is written');
  expect(JSON.parse(letters()[0]!)).toMatchObject({
    backend: 'logs',
    reason: 'permanent',
    error: 'older than the 14 days that CloudWatch Logs takes',
    target: 'log_group=/app/monitoring log_stream=queue-service',
    record: { data: { n: 9999 } },
  });
  expect(await sidecar.stop()).toBe(0);
  expect(fake.violations).toEqual([]);
  const lines = sidecar.stderr().trimEnd().split('\n');
  expect(sidecar.log()).toHaveLength(lines.length);
});
