// What docs/deployment.md says: its files are right, and the sidecar runs where it says that it does.
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import {
  closeAll,
  createFolder,
  line,
  linesBelow,
  numbersOf,
  ONE_FILE,
  ROOT,
  runToEnd,
  send,
  startSidecar,
  TEST_MS,
  until,
  write,
} from './processes.ts';

jest.setTimeout(TEST_MS);
afterEach(closeAll);

const DOC = readFileSync(join(ROOT, 'docs', 'deployment.md'), 'utf8');
const blocks = (language: string) =>
  [...DOC.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, text = '']) => text);
const works = (command: string, ...args: readonly string[]) => spawnSync(command, args).status === 0;

describe('docs/deployment.md', () => {
  const [pod = '', config = '', scrape = ''] = blocks('yaml');

  // Of the parts that `npm test` installs.
  const onSystemd = works('systemd-analyze', '--version') ? test : test.skip;
  onSystemd('its unit is one that systemd takes', () => {
    const [unit = ''] = blocks('ini');
    const path = write(
      join(createFolder(), 'sidecar.service'),
      unit.replace('/usr/local/bin/sidecar', process.execPath),
    );
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', path], { encoding: 'utf8' });
    expect([status, stderr.includes(path)]).toEqual([0, false]);
  });

  test('its configuration is valid', async () => {
    const folder = createFolder();
    write(join(folder, 'sidecar.yaml'), config);
    const env = { SIDECAR_TOKEN: 'x'.repeat(32) };
    const { code, stderr } = await runToEnd(['validate', 'sidecar.yaml'], { cwd: folder, env });
    expect([code, stderr]).toEqual([0, '']);
  });

  test('its other files are YAML', () => {
    const documents = [...parseAllDocuments(pod), ...parseAllDocuments(scrape)];
    expect(documents.flatMap(({ errors, warnings }) => [...errors, ...warnings])).toEqual([]);
  });

  test('what it says to watch is there', async () => {
    const names = [...new Set([...DOC.matchAll(/\bsidecar_[a-z_]+\b/g)].map(([name]) => name))];
    const sidecar = await startSidecar({ yaml: ONE_FILE });
    const metrics = await sidecar.metrics();
    expect(names.length).toBeGreaterThan(3);
    expect(names.filter((name) => !metrics.includes(`# TYPE ${name} `))).toEqual([]);
  });
});

/** A user that no file knows. */
const UID = 10_001;

/** Runs a command as process 1, on file systems that are read-only but for the folder. */
const contained = (folder: string) => [
  'unshare',
  ...['--mount', '--pid', '--fork', '--mount-proc', '--kill-child=SIGKILL'],
  ...['sh', '-ec'],
  `mount --make-rprivate /
   mount --bind ${folder} ${folder}
   mount --bind / / && mount -o remount,bind,ro /
   cd / && exec setpriv --reuid ${UID} --regid 0 --clear-groups env -i HOME=/nowhere PATH="$PATH" "$@"`,
  'sh',
];

/** Needs namespaces of its own, which only a superuser may make. */
const inContainer = works('unshare', '--mount', '--pid', '--fork', '--mount-proc', 'true') ? test : test.skip;

inContainer('it runs as process 1 of a container that may write to its folder alone', async () => {
  const folder = createFolder();
  chmodSync(folder, 0o755);
  for (const own of ['data', 'out']) {
    mkdirSync(join(folder, own));
    chownSync(join(folder, own), UID, 0);
  }
  write(join(folder, 'pipelines', 'pass.ts'), `import { tap } from 'rxjs';\nexport default () => tap();\n`);
  const sidecar = await startSidecar({
    folder,
    yaml: ONE_FILE.replace('- backend: files', '- backend: files\n      operators: [pass]'),
    args: ['--data-dir', join(folder, 'data')],
    through: contained(folder),
  });
  await send(sidecar.port, line(0), line(1));
  const out = join(folder, 'out');
  await until(() => linesBelow(out).length === 2, 'both are delivered', sidecar.stderr);
  // `unshare` passes no signals on.
  const [first = ''] = readFileSync(`/proc/${sidecar.pid}/task/${sidecar.pid}/children`, 'utf8').split(' ');
  process.kill(Number(first), 'SIGTERM');
  expect(await sidecar.exit()).toBe(0);
  expect(numbersOf(linesBelow(out))).toEqual([0, 1]);
  expect(sidecar.stderr()).toContain('nothing was lost');
});
