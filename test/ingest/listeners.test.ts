import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { NEVER } from 'rxjs';
import type { ListenOptions } from '../../src/ingest/listen.ts';
import { createListeners } from '../../src/ingest/listeners.ts';
import { completed, createRecording, until } from './harness.ts';

const PORT = { host: '127.0.0.1', port: 0 };

const wanted = (maxConnections: number, address: ListenOptions['address'] = PORT): ListenOptions => ({
  address,
  maxConnections,
});

const isOpen = () =>
  process.getActiveResourcesInfo().some((name) => /^(TCPServer|PipeServer)Wrap$/.test(name));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'listeners-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

test.each([
  ['another port', () => PORT],
  ['other options in its place', () => ({ path: join(folder, 'socket'), mode: 0o600 })],
])('a drain at any moment of a move to %s ends, and leaves none open', async (_, place) => {
  let moved = 0;
  for (let turns = 0; moved < 3; turns++) {
    const listeners = createListeners(NEVER, createRecording().context);
    const over = completed(listeners.connection$);
    await listeners.apply([wanted(10, place())]);
    const moving = listeners.apply([wanted(20, place()), wanted(30)]).then(
      () => moved++,
      (error: Error) => expect(error.message).toContain('stopping'),
    );
    for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
    await completed(listeners.drain(1_000));
    await over;
    await moving;
    await until(() => !isOpen(), `all are closed, after ${turns} turns`);
  }
});
