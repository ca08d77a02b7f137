import { join } from 'node:path';
import { afterEach, expect, jest, test } from '@jest/globals';
import { VirtualTimeScheduler } from 'rxjs';
import { createStrays } from '../../src/route/strays.ts';
import {
  closeAll,
  createFolder,
  line,
  linesBelow,
  ONE_FILE,
  send,
  startSidecar,
  until,
  write,
} from '../processes.ts';

jest.setTimeout(60_000);
afterEach(closeAll);

const OWN = '/opt/my (app)/node_modules/monitoring-sidecar/dist/';

function strays() {
  const logged: string[] = [];
  const log = (_: object, text: string) => logged.push(text);
  const scheduler = new VirtualTimeScheduler();
  const isStray = createStrays({ log: { debug: log, info: log, warn: log, error: log }, scheduler }, OWN);
  return { logged, isStray, scheduler };
}

const thrownAt = (...places: string[]) =>
  Object.assign(new Error('x'), { stack: ['Error: x', ...places.map((at) => `    at ${at}`)].join('\n') });

test.each([
  ['/srv/pipelines/mine.ts', ['/srv/pipelines/mine.ts:1:191', 'listOnTimeout (node:internal/timers:581:17)']],
  [
    '/srv/pipelines/my (own).ts',
    ['fn (/srv/node_modules/rxjs/dist/x.js:1:2)', 'Object.a (/srv/pipelines/my (own).ts:3:4)'],
  ],
  [
    '/srv/p/m.ts',
    [`withRecord (file://${OWN.replaceAll(' ', '%20')}message.js:189:9)`, 'async g (file:///srv/p/m.ts:1:1)'],
  ],
])('an error of %s is that operator’s', (file, places) => {
  const { isStray, logged } = strays();
  expect(isStray(thrownAt(...places))).toBe(true);
  expect(logged).toEqual([`operator ${file} failed in a timer or promise of its own; nothing stops`]);
});

test.each([
  ['of the sidecar', thrownAt(`a (${OWN}deliver/lane.js:1:2)`, 'b (/srv/pipelines/mine.ts:1:2)')],
  ['of Node.js', thrownAt('listOnTimeout (node:internal/timers:581:17)')],
  ['without a stack', Object.assign(new Error('x'), { stack: undefined })],
  ['that is none', 5],
])('an error %s is no operator’s', (_, error) => {
  const { isStray, logged } = strays();
  expect(isStray(error)).toBe(false);
  expect(logged).toEqual([]);
});

test('an operator’s errors are logged once a minute', () => {
  const { isStray, logged, scheduler } = strays();
  const error = thrownAt('/srv/pipelines/mine.ts:1:191');
  for (const atMs of [0, 59_999, 60_000]) {
    scheduler.schedule(() => isStray(error), atMs);
  }
  scheduler.flush();
  expect(logged).toHaveLength(2);
});

test.each([
  ['a timer', 'setTimeout(() => { throw new Error("late"); }, 1)'],
  ['a promise', 'void Promise.reject(new Error("late"))'],
])('the process outlives what an operator throws in %s', async (_, code) => {
  const folder = createFolder();
  const operator = `import { tap } from 'rxjs';\nexport default () => tap(() => { ${code}; });\n`;
  const path = write(join(folder, 'pipelines', 'mine.ts'), operator);
  const yaml = ONE_FILE.replace('backend: files', 'backend: files\n      operators: [mine]');
  const sidecar = await startSidecar({ folder, yaml });
  await send(sidecar.port, line(0), line(1));
  await until(() => sidecar.hasLogged('error', `operator ${path} failed`), 'it is named', sidecar.stderr);
  await send(sidecar.port, line(2));
  expect(await sidecar.stop()).toBe(0);
  expect(linesBelow(join(folder, 'out'))).toHaveLength(3);
});
