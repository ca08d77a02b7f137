import { join } from 'node:path';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import {
  closeAll,
  createFolder,
  inFolder,
  line,
  linesBelow,
  type RunningSidecar,
  runToEnd,
  send,
  startSidecar,
  TEST_MS,
  until,
  write,
} from '../processes.ts';

jest.setTimeout(TEST_MS);
afterEach(closeAll);

const YAML = `
batch: { max_age: 20ms }
routing:
  web:
    - backend: files
      operators: [redact]
    - backend: metrics
      filter: { types: [metric] }
  default:
    - backend: files
backends:
  files: { type: filesystem, base_path: $OUT, path: all.jsonl }
  metrics: { type: filesystem, base_path: $OUT, path: metrics.jsonl }
`;

async function startWithMessages(): Promise<RunningSidecar> {
  const sidecar = await startSidecar({ yaml: YAML });
  await send(sidecar.port, line(1, 'web'), line(2, 'web'), line(3, 'api'));
  await until(() => linesBelow(join(sidecar.folder, 'out')).length === 5, 'delivered');
  return sidecar;
}

async function plan(sidecar: RunningSidecar, yaml: string, ...args: string[]) {
  const file = write(join(createFolder(), 'new.yaml'), inFolder(yaml, sidecar.folder));
  return runToEnd(['plan', file, '--url', `http://${sidecar.listening.http}`, ...args], {
    cwd: createFolder(),
  });
}

describe('against a sidecar that runs', () => {
  test('says what stays, what is replaced, opened and drained, and where the last messages would have gone', async () => {
    const sidecar = await startWithMessages();
    const { hash } = await sidecar.get('/api/v1/config');
    const edited = YAML.replace('max_age: 20ms', 'max_age: 1s')
      .replace('    - backend: metrics\n      filter: { types: [metric] }\n', '    - backend: errors\n')
      .replace('path: all.jsonl', 'path: "{source}.jsonl"')
      .replace('[redact]', '[{ use: redact, fields: [data.x] }]')
      .concat('  errors: { type: filesystem, base_path: $OUT, path: errors.jsonl }\n');
    const { code, stdout } = await plan(sidecar, edited);
    expect(stdout.split('\n')).toEqual([
      expect.stringMatching(
        /^warning: .+sidecar\.yaml:\d+:3 backends\.metrics: no rule sends anything here$/,
      ),
      'Backends',
      '  ~ files: replaced: the new one takes over at once, the old one drains (path)',
      '  - metrics: drained, then closed',
      '  + errors: opened',
      'Operators',
      '  ~ routing.web[0] redact: replaced: the new one takes over at once, the old one drains',
      'Listeners',
      '  = 127.0.0.1:0: kept, not touched',
      'Settings that change: batch.max_age',
      'Routing: of 3 remembered messages 2 would have gone elsewhere.',
      expect.stringMatching(/^ {2}2 × metric of web: files, metrics → errors, files {2}\([0-9a-f-]{36}\)$/),
      '',
    ]);
    expect(code).toBe(0);
    // And nothing changed.
    expect((await sidecar.get('/api/v1/config')).hash).toBe(hash);
    await send(sidecar.port, line(4, 'web'));
    await until(() => linesBelow(join(sidecar.folder, 'out')).length === 7, 'as before');
    expect(sidecar.log().filter(({ level }) => level !== 'info')).toEqual([]);
  });

  test('the same text changes nothing', async () => {
    const sidecar = await startWithMessages();
    expect(await plan(sidecar, `# a comment\n${YAML}`)).toMatchObject({
      code: 0,
      stdout: 'Nothing would change.\n',
    });
    const { stdout } = await plan(sidecar, YAML, '--json');
    expect(JSON.parse(stdout)).toMatchObject({ unchanged: true, routing: { messages: 3, changed: 0 } });
  });

  test('what would be rejected says so, with its places', async () => {
    const sidecar = await startSidecar({ yaml: YAML });
    const { code, stdout } = await plan(sidecar, YAML.replace('backend: metrics', 'backend: metric'));
    expect(code).toBe(1);
    expect(stdout).toContain('unknown backend "metric"; did you mean "metrics"?\n');
    expect(stdout).toContain('It would be rejected, and the configuration in force would stay.\n');
    expect(sidecar.log().filter(({ level }) => level === 'error')).toEqual([]);
  });

  test('does not read files and folders for whoever asks, nor tell secrets', async () => {
    const folder = createFolder();
    const secret = write(join(folder, 'secret'), 'correct-horse');
    const operator = write(join(folder, 'ops', 'evil.ts'), `throw new Error('ran')`);
    const sidecar = await startSidecar({ yaml: YAML });
    for (const [yaml, why] of [
      [
        YAML.replace('all.jsonl', `"\${file:${secret}}"`),
        'a plan reads only files that the configuration in force reads',
      ],
      [`${YAML}pipelines: ${join(operator, '..')}\n`, 'a plan loads operators of the folder in use only'],
    ] as const) {
      const { code, stdout } = await plan(sidecar, yaml);
      expect(code).toBe(1);
      expect(stdout).toContain(why);
      expect(stdout).not.toMatch(/correct-horse|ran/);
    }
  });
});

test('without a sidecar, or a file', async () => {
  const folder = createFolder();
  const file = write(join(folder, 'x.yaml'), YAML);
  const alone = await runToEnd(['plan', file, '--url', 'http://127.0.0.1:1'], { cwd: folder });
  expect(alone).toMatchObject({ code: 1, stdout: expect.stringContaining('does not answer') });
  const missing = await runToEnd(['plan', join(folder, 'y.yaml')], { cwd: folder });
  expect(missing).toMatchObject({ code: 1, stdout: expect.stringContaining('y.yaml: cannot read the file') });
});
