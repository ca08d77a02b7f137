import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, jest, test } from '@jest/globals';
import {
  closeAll,
  inFolder,
  line,
  linesOf,
  numbersOf,
  type RunningSidecar,
  send,
  startSidecar,
  TEST_MS,
  until,
  write,
} from '../processes.ts';
import { sumOf } from '../prometheus.ts';

jest.setTimeout(TEST_MS);
afterEach(closeAll);

const MESSAGES = 1000;

interface Edited {
  readonly section: string;
  readonly whenFull?: 'spill' | 'block';
  readonly config?: string;
}

const yaml = ({ section, whenFull = 'spill', config = '{}' }: Edited) => `
batch: { max_age: 20ms }
reload: { debounce: 20ms, poll: 500ms }
routing:
  default: [{ backend: moved, when_full: ${whenFull}, config: ${config} }]
backends:
  moved:
    queue: { max_bytes: ${whenFull === 'block' ? '1MiB' : '64KiB'} }
    retry: { max: 200ms }
    breaker: { failures: 2, reset_after: 300ms }
${section}
`;

const filesIn = (name: string) => `
    type: filesystem
    base_path: $OUT/${name}
    path: all.jsonl
    create_base_path: false
`;
/** With more connections, what waits for it has no order of its own. */
const DEAD_DATABASE = `
    type: postgres
    pool_size: 1
    connection_string: postgresql://u:p@127.0.0.1:9/x
`;

/** A backend that is dead, with messages that wait for it. */
async function startWaiting(edited: Edited): Promise<RunningSidecar> {
  const sidecar = await startSidecar({ yaml: yaml(edited) });
  await send(sidecar.port, Array.from({ length: MESSAGES }, (_, n) => line(n)).join(''));
  await until(
    async () => sumOf(await sidecar.metrics(), 'sidecar_in_flight') === MESSAGES,
    'all wait',
    sidecar.stderr,
  );
  mkdirSync(join(sidecar.folder, 'out', 'right'), { recursive: true });
  return sidecar;
}

async function arrives(sidecar: RunningSidecar, file = 'all.jsonl'): Promise<void> {
  const lines = () => linesOf(join(sidecar.folder, 'out', 'right', file));
  await until(() => lines().length >= MESSAGES, 'all arrive', sidecar.stderr);
  expect(numbersOf(lines())).toEqual(Array.from({ length: MESSAGES }, (_, n) => n));
  expect(sumOf(await sidecar.metrics(), 'sidecar_outcomes_total', { outcome: 'dead_lettered' })).toBe(0);
}

test.each<[string, Edited, string, string]>([
  ['another folder, from memory', { section: filesIn('nope'), whenFull: 'block' }, '{}', 'all.jsonl'],
  ['another folder, from the spool', { section: filesIn('nope') }, '{}', 'all.jsonl'],
  ['the file of the rule in another folder', { section: filesIn('nope') }, '{ path: x.jsonl }', 'x.jsonl'],
  ['another type', { section: DEAD_DATABASE }, '{}', 'all.jsonl'],
])('what waits follows a backend to where the edit has it: %s', async (_, edited, config, file) => {
  const sidecar = await startWaiting({ ...edited, config });
  write(sidecar.path, inFolder(yaml({ ...edited, config, section: filesIn('right') }), sidecar.folder));
  await arrives(sidecar, file);
});

test.each<[string, string]>([
  ['another folder', filesIn('nope')],
  ['another type', DEAD_DATABASE],
])('the same after a restart: %s', async (_, section) => {
  const first = await startWaiting({ section });
  expect(await first.stop()).toBe(0);
  await arrives(await startSidecar({ yaml: yaml({ section: filesIn('right') }), folder: first.folder }));
});
