import { once } from 'node:events';
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, expect, jest, test } from '@jest/globals';
import {
  closeAll,
  connectTo,
  createFolder,
  faultsOf,
  freePort,
  inFolder,
  line,
  linesBelow,
  linesOf,
  NO_FAULTS,
  numbersOf,
  ONE_FILE,
  type RunningSidecar,
  send,
  startSender,
  startSidecar,
  until,
  write,
} from '../processes.ts';
import { sumOf } from '../prometheus.ts';

jest.setTimeout(180_000);
afterEach(closeAll);

/** The configuration whose file is `name`. */
const into = (name: string) => ONE_FILE.replace('all.jsonl', `${name}.jsonl`);

const out = ({ folder }: RunningSidecar, name = '') => join(folder, 'out', name);

const reloads = async (sidecar: RunningSidecar, result: string) =>
  sumOf(await sidecar.metrics(), 'sidecar_reloads_total', { result });

const applied = (sidecar: RunningSidecar) => () =>
  sidecar.log().filter(({ msg }) => msg === 'configuration applied').length;

/** Waits until messages reach a file, so that the edit is in force. */
const reaches = (sidecar: RunningSidecar, name: string) =>
  until(
    () => linesOf(out(sidecar, `${name}.jsonl`)).length > 0,
    `messages reach ${name}`,
    () => sidecar.stderr().slice(-2000),
  );

test('edits of every kind, while one connection sends on: nothing lost, duplicated or disconnected', async () => {
  const sidecar = await startSidecar({ yaml: into('start') });
  const { path, folder } = sidecar;
  const sender = await startSender(sidecar.port, { pauseMs: 1 });
  const text = (name: string) => inFolder(into(name), folder);
  await reaches(sidecar, 'start');

  writeFileSync(path, text('saved'));
  await reaches(sidecar, 'saved');

  write(`${path}.new`, text('renamed'));
  renameSync(`${path}.new`, path);
  await reaches(sidecar, 'renamed');

  // As Kubernetes swaps a ConfigMap: the file is a link into a folder that is a link.
  for (const name of ['first', 'second']) write(join(folder, name, 'sidecar.yaml'), text(`linked-${name}`));
  symlinkSync('first', join(folder, 'current'));
  rmSync(path);
  symlinkSync(join('current', 'sidecar.yaml'), path);
  await reaches(sidecar, 'linked-first');
  symlinkSync('second', join(folder, 'next'));
  renameSync(join(folder, 'next'), join(folder, 'current'));
  await reaches(sidecar, 'linked-second');

  // A burst of saves, some of them half written: the last one counts.
  rmSync(path);
  for (let turn = 0; turn < 30; turn++)
    writeFileSync(path, text(`burst-${turn}`).slice(0, turn % 2 ? 60 : 9_999));
  writeFileSync(path, text('last'));
  await reaches(sidecar, 'last');

  const sent = await sender.stop();
  expect(sender.isCut()).toBe(false);
  expect(await sidecar.stop()).toBe(0);
  expect(sent).toBeGreaterThan(100);
  expect(faultsOf(numbersOf(linesBelow(out(sidecar))), sent)).toEqual(NO_FAULTS);
});

test('SIGHUP reads the file again at once, on a file system that reports nothing', async () => {
  // Neither events nor looks help: the one is slow to come, the other an hour away.
  const slow = (name: string) => into(name).replace('debounce: 20ms, poll: 500ms', 'debounce: 1m, poll: 1h');
  const sidecar = await startSidecar({ yaml: slow('start') });
  const sender = await startSender(sidecar.port, { pauseMs: 1 });
  await reaches(sidecar, 'start');
  writeFileSync(sidecar.path, inFolder(slow('next'), sidecar.folder));
  sidecar.kill('SIGHUP');
  await reaches(sidecar, 'next');
  sidecar.kill('SIGHUP');
  await until(
    async () => (await sidecar.get('/api/v1/config')).last_reload?.result === 'unchanged',
    'a reload without a change says so',
  );
  expect(await reloads(sidecar, 'applied')).toBe(1);
  const sent = await sender.stop();
  expect(await sidecar.stop()).toBe(0);
  expect(faultsOf(numbersOf(linesBelow(out(sidecar))), sent)).toEqual(NO_FAULTS);
});

test('a bad edit keeps the running rules and says where and why, everywhere', async () => {
  const sidecar = await startSidecar({ yaml: ONE_FILE });
  const sender = await startSender(sidecar.port, { pauseMs: 1 });
  const before = (await sidecar.get('/api/v1/config')).hash;
  writeFileSync(sidecar.path, inFolder(ONE_FILE, sidecar.folder).replace('backend: files', 'backend: fils'));
  const said = `${sidecar.path}:7:16 routing.default[0].backend: unknown backend "fils"; did you mean "files"?`;
  await until(() => sidecar.hasLogged('error', said), 'the log says it', sidecar.stderr);
  await until(async () => (await reloads(sidecar, 'rejected')) === 1, 'it is counted');
  expect(await sidecar.get('/readyz')).toMatchObject({
    ready: true,
    warnings: ['the configuration on disk was rejected'],
  });
  const view = await sidecar.get('/api/v1/config');
  expect(view).toMatchObject({ hash: before, last_reload: { result: 'rejected', errors: [said] } });

  const mark = sender.sent() + 100;
  await until(() => Math.max(...numbersOf(linesBelow(out(sidecar)))) > mark, 'messages go on as before');
  // The same text again is not a change; the right one is.
  writeFileSync(sidecar.path, inFolder(ONE_FILE, sidecar.folder));
  await until(
    async () => (await sidecar.get('/readyz')).warnings.length === 0,
    'the warning goes when the file is right again',
  );
  await until(() => sidecar.hasLogged('info', 'is the one in force again'), 'the log says so');
  const sent = await sender.stop();
  expect(sender.isCut()).toBe(false);
  expect(await sidecar.stop()).toBe(0);
  expect(faultsOf(numbersOf(linesBelow(out(sidecar))), sent)).toEqual(NO_FAULTS);
});

test.each([
  ['a file that is gone', ({ path }: RunningSidecar) => rmSync(path), 'cannot read the file'],
  [
    'a folder in its place',
    ({ path }: RunningSidecar) => {
      rmSync(path);
      mkdirSync(path);
    },
    'cannot read the file',
  ],
  ['an empty file', ({ path }: RunningSidecar) => writeFileSync(path, ''), 'sidecar.yaml:1:1'],
  [
    'a port that is in use',
    ({ path, folder, listening }: RunningSidecar) =>
      writeFileSync(path, inFolder(`${ONE_FILE}\ntcp: { port: ${listening.http.split(':')[1]} }\n`, folder)),
    'another program listens there',
  ],
  [
    'an operator that is not there',
    ({ path, folder }: RunningSidecar) =>
      writeFileSync(
        path,
        inFolder(ONE_FILE, folder).replace('backend: files', 'backend: files\n      operators: [nope]'),
      ),
    'nope',
  ],
])('%s is a bad edit', async (_, edit, why) => {
  const sidecar = await startSidecar({ yaml: ONE_FILE, set: ['http.port=0'], args: [] }).catch(async () =>
    // Port 17000 is the default; where it is taken, a free one is as good.
    startSidecar({ yaml: `${ONE_FILE}\ntcp: { port: ${await freePort()} }\n`, set: ['http.port=0'] }),
  );
  edit(sidecar);
  await until(async () => (await reloads(sidecar, 'rejected')) >= 1, 'it is rejected', sidecar.stderr);
  await until(() => sidecar.hasLogged('error', why), 'it is logged', sidecar.stderr);
  await send(sidecar.port, line(0));
  await until(() => linesBelow(out(sidecar)).length === 1, 'the rules in force go on');
  expect(await sidecar.stop()).toBe(0);
});

test('the port moves live: the new one is open, the old connection goes on, the old port is free', async () => {
  const [first, second] = [await freePort(), await freePort()];
  const at = (port: number) => `${ONE_FILE}\ntcp: { port: ${port} }\n`;
  const sidecar = await startSidecar({ yaml: at(first), set: ['http.port=0'] });
  expect(sidecar.port).toBe(first);
  const old = await startSender(first, { source: 'old', pauseMs: 1 });
  writeFileSync(sidecar.path, inFolder(at(second), sidecar.folder));
  await until(() => applied(sidecar)() === 1, 'the edit is applied', sidecar.stderr);
  const young = await startSender(second, { source: 'young', pauseMs: 1 });
  await expect(connectTo({ port: first })).rejects.toThrow('ECONNREFUSED');
  const mark = old.sent() + 200;
  await until(
    () => Math.max(...numbersOf(linesBelow(out(sidecar)), 'old')) > mark,
    'the old connection goes on',
  );
  expect(sumOf(await sidecar.metrics(), 'sidecar_connections')).toBe(2);
  const counts = { old: await old.stop(), young: await young.stop() };
  expect([old.isCut(), young.isCut()]).toEqual([false, false]);
  expect(await sidecar.stop()).toBe(0);
  for (const [source, count] of Object.entries(counts)) {
    expect(faultsOf(numbersOf(linesBelow(out(sidecar)), source), count)).toEqual(NO_FAULTS);
  }
});

test('the HTTP port moves live, and a browser on the wrong port is told of it', async () => {
  const [first, second] = [await freePort(), await freePort()];
  const at = (port: number) => `${ONE_FILE}\nhttp: { port: ${port} }\n`;
  const sidecar = await startSidecar({ yaml: at(first), set: ['tcp.port=0'] });
  expect(await sidecar.get('/healthz')).toEqual({ status: 'ok' });
  const hint = async () => (await fetch(`http://127.0.0.1:${sidecar.port}/`)).text();
  expect(await hint()).toContain(`http://127.0.0.1:${first}/`);
  writeFileSync(sidecar.path, inFolder(at(second), sidecar.folder));
  await until(() => applied(sidecar)() === 1, 'the edit is applied', sidecar.stderr);
  const answer = await fetch(`http://127.0.0.1:${second}/healthz`);
  expect(await answer.json()).toEqual({ status: 'ok' });
  expect(await hint()).toContain(`http://127.0.0.1:${second}/`);
  await until(
    () =>
      fetch(`http://127.0.0.1:${first}/healthz`).then(
        () => false,
        () => true,
      ),
    'the old one is closed',
  );
  expect(await sidecar.stop()).toBe(0);
});

test('both listeners move live to all addresses of the machine and back, on the ports that they have', async () => {
  const [tcp, http] = [await freePort(), await freePort()];
  const at = (host: string) =>
    `${ONE_FILE}\ntcp: { host: ${host}, port: ${tcp} }\nhttp: { host: ${host}, port: ${http} }\n`;
  const sidecar = await startSidecar({ yaml: at('127.0.0.1'), set: [] });
  const old = await startSender(tcp, { source: 'old', pauseMs: 1 });
  const addresses = async () => (await sidecar.get('/api/v1/config')).listening;
  for (const [nth, host] of ['0.0.0.0', '127.0.0.1'].entries()) {
    writeFileSync(sidecar.path, inFolder(at(host), sidecar.folder));
    await until(() => applied(sidecar)() === nth + 1, `${host} is applied`, sidecar.stderr);
    expect(await addresses()).toEqual([`${host}:${tcp}`]);
    await send(tcp, line(nth));
  }
  // Where one of them is somebody else's, both stay where they are.
  const other = createServer().listen(http, '127.0.0.2');
  await once(other, 'listening');
  writeFileSync(sidecar.path, inFolder(at('0.0.0.0'), sidecar.folder));
  await until(() => sidecar.hasLogged('error', 'configuration rejected'), 'it is refused', sidecar.stderr);
  expect(await addresses()).toEqual([`127.0.0.1:${tcp}`]);
  other.close();
  await send(tcp, line(2));
  const count = await old.stop();
  expect(old.isCut()).toBe(false);
  expect(await sidecar.stop()).toBe(0);
  expect(faultsOf(numbersOf(linesBelow(out(sidecar)), 'old'), count)).toEqual(NO_FAULTS);
  expect(numbersOf(linesBelow(out(sidecar)))).toEqual([0, 1, 2]);
});

test('an operator edited in pipelines/ takes effect, and a broken one does not', async () => {
  const folder = createFolder();
  const operator = (mark: string) => `
import { dataOf, type Operator, withData } from 'monitoring-sidecar';
import { map } from 'rxjs';
const stamp: Operator = () => (message$) =>
  message$.pipe(map((message) => withData(message, { ...dataOf(message), mark: '${mark}' })));
export default stamp;
`;
  const path = join(folder, 'pipelines', 'stamp.ts');
  write(path, operator('one'));
  const yaml = ONE_FILE.replace('backend: files', 'backend: files\n      operators: [stamp]');
  const sidecar = await startSidecar({ folder, yaml });
  const sender = await startSender(sidecar.port, { pauseMs: 1 });
  const marked = (mark: string) => () =>
    linesBelow(out(sidecar)).some((text) => text.includes(`"mark":"${mark}"`));
  await until(marked('one'), 'the operator works', sidecar.stderr);
  write(path, operator('two'));
  await until(marked('two'), 'the edit of the operator works', sidecar.stderr);
  write(path, 'export default 42;\n');
  await until(() => sidecar.hasLogged('error', 'stamp.ts'), 'the broken one is named', sidecar.stderr);
  write(path, operator('three'));
  await until(marked('three'), 'the repaired one works', sidecar.stderr);
  const sent = await sender.stop();
  expect(await sidecar.stop()).toBe(0);
  const lines = linesBelow(out(sidecar));
  expect(faultsOf(numbersOf(lines), sent)).toEqual(NO_FAULTS);
  expect(lines.every((text) => /"mark":"(one|two|three)"/.test(text))).toBe(true);
});
