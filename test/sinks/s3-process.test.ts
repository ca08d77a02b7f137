// The real program with S3 behind it.
import { afterAll, afterEach, beforeAll, beforeEach, expect, jest, test } from '@jest/globals';
import { startFaultProxy } from '../fault-proxy.ts';
import { describeWithMoto, type Moto, startMoto } from '../moto.ts';
import { closeAll, line, send, startSidecar, TEST_MS, until } from '../processes.ts';
import { lookInto } from './stores.ts';
import { afterwards } from './support.ts';

jest.setTimeout(TEST_MS);
afterEach(closeAll);

const configOf = (endpoint: string, more = '') => `
batch: { max_age: 20ms }
routing:
  default:
    - backend: archive
      config: { bucket: logs, prefix: 'in/{source}/' }
backends:
  archive:
    type: s3
    region: us-east-1
    endpoint: ${endpoint}
    path_style: true
    ${more}
`;

/** Credentials by the environment, as the SDK's usual chain finds them. */
const env = { AWS_ACCESS_KEY_ID: 'AKIATEST', AWS_SECRET_ACCESS_KEY: 'secret' };

describeWithMoto('a sidecar with S3 behind it', () => {
  let moto: Moto;
  beforeAll(async () => {
    moto = await startMoto();
  }, TEST_MS);
  afterAll(() => moto?.stop());
  beforeEach(async () => {
    await moto.reset();
    await lookInto(moto.endpoint).createBucket();
  });

  test('SIGTERM uploads the object that is half full', async () => {
    const store = lookInto(moto.endpoint);
    const sidecar = await startSidecar({ yaml: configOf(moto.endpoint), env });
    await send(sidecar.port, line(0), line(1));
    await send(sidecar.port, line(2, 'other'));
    await until(
      async () => /received_total\{source="other"/.test(await sidecar.metrics()),
      'all is received',
    );
    expect(await store.keys()).toEqual([]);
    expect(await sidecar.stop()).toBe(0);
    const objects = await store.objects();
    expect(objects.map(({ key, ids }) => [key.split('/').slice(0, 2).join('/'), ids.length])).toEqual([
      ['in/counter', 2],
      ['in/other', 1],
    ]);
    // The log is JSON to the last line, whatever the SDK has to say.
    expect(
      sidecar
        .stderr()
        .trim()
        .split('\n')
        .filter((text) => !text.startsWith('{')),
    ).toEqual([]);
  });

  test('an error is there at once, with what came before it; the age brings the rest', async () => {
    const store = lookInto(moto.endpoint);
    const sidecar = await startSidecar({ yaml: configOf(moto.endpoint, 'batch: { max_age: 300ms }'), env });
    await send(sidecar.port, line(0));
    await until(async () => (await store.keys()).length === 1, 'the age closes an object');
    await send(sidecar.port, line(1, 'counter', { type: 'event', data: { level: 'error' } }));
    await until(async () => (await store.keys()).length === 2, 'the error is stored');
    expect(await sidecar.stop()).toBe(0);
  });

  test('a store that is away for a while gets everything once it is back', async () => {
    const proxy = await startFaultProxy(moto);
    afterwards(() => proxy.close());
    proxy.set({ resetAfter: 0 });
    const more = 'batch: { max_age: 10ms }\n    breaker: { reset_after: 100ms }\n    retry: { max: 100ms }';
    const sidecar = await startSidecar({ yaml: configOf(proxy.endpoint, more), env });
    for (let n = 0; n < 20; n++) await send(sidecar.port, line(n));
    await until(() => sidecar.hasLogged('warn', 'breaker open'), 'the breaker opens');
    proxy.set({});
    const store = lookInto(moto.endpoint);
    const stored = async () => new Set((await store.objects()).flatMap(({ ids }) => ids)).size;
    await until(async () => (await stored()) === 20, 'all is stored');
    expect(await sidecar.stop()).toBe(0);
  });
});
