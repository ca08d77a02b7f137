import { once } from 'node:events';
import { mkdirSync, realpathSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { Packr } from 'msgpackr';
import {
  closeAll,
  connectTo,
  createFolder,
  freePort,
  inFolder,
  line,
  linesBelow,
  linesOf,
  numbersOf,
  ONE_FILE,
  runToEnd,
  send,
  start,
  startSidecar,
  until,
  write,
} from '../processes.ts';

jest.setTimeout(180_000);
afterEach(closeAll);

const record = (value: number) => ({
  source: 'counter',
  timestamp: '2025-10-20T10:30:45.123Z',
  type: 'metric',
  data: { name: 'n', value },
});

describe('what it prints', () => {
  test('one line of JSON with the addresses that are really bound; the log goes to stderr, as JSON', async () => {
    const sidecar = await startSidecar({ yaml: ONE_FILE });
    expect(sidecar.listening).toEqual({
      msg: 'listening',
      tcp: expect.stringMatching(/^127\.0\.0\.1:[1-9]\d+$/),
      listening: [sidecar.listening.tcp],
      http: expect.stringMatching(/^127\.0\.0\.1:[1-9]\d+$/),
      config: sidecar.path,
      data_dir: join(realpathSync(sidecar.folder), 'data'),
    });
    expect(await sidecar.get('/healthz')).toEqual({ status: 'ok' });
    expect(await sidecar.get('/readyz')).toEqual({ ready: true, reasons: [], warnings: [] });
    expect(await sidecar.stop()).toBe(0);
    expect(sidecar.stdout().split('\n')).toHaveLength(2);
    const lines = sidecar.stderr().trimEnd().split('\n');
    expect(sidecar.log()).toHaveLength(lines.length);
    expect(sidecar.log().at(-1)).toMatchObject({ level: 'info', lost: 0 });
    expect(sidecar.log().at(-1)!.time).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
  });

  test('sentences, where asked for, with a line to try', async () => {
    const folder = createFolder();
    const path = write(join(folder, 'sidecar.yaml'), inFolder(ONE_FILE, folder));
    const args = [
      'run',
      '--config',
      path,
      '--set',
      'tcp.port=0',
      '--set',
      'http.port=0',
      '--format',
      'human',
    ];
    const program = start(args, { cwd: folder });
    await until(() => program.stdout().includes('Ctrl+C'), 'the welcome', program.stderr);
    expect(program.stdout()).toMatch(/^The sidecar is running\.\n {2}telemetry {2}127\.0\.0\.1:\d+ /);
    expect(program.stdout()).toContain(`files      ${join(folder, 'out')}\n`);
    const [, sample, port] = /echo '(.+)' \| nc -w1 127\.0\.0\.1 (\d+)/.exec(program.stdout())!;
    await send(Number(port), `${sample}\n`);
    await until(() => linesBelow(join(folder, 'out')).length === 1, 'the line of the welcome is delivered');
  });
});

describe('settings', () => {
  test('--set and --data-dir take the place of what the file says', async () => {
    const folder = createFolder();
    const own = join(folder, 'own');
    const sidecar = await startSidecar({
      folder,
      yaml: `${ONE_FILE}\ntcp: { port: 1 }\nhttp: { port: 2 }\ndata_dir: ./elsewhere\n`,
      args: ['--set', 'enrich.tags["a=b"]=c=d', '--set', 'batch.max_count=3', '--data-dir', own],
    });
    expect(sidecar.listening.data_dir).toBe(own);
    const { config } = await sidecar.get('/api/v1/config');
    expect(config).toMatchObject({
      data_dir: own,
      batch: { max_count: 3 },
      enrich: { tags: { 'a=b': 'c=d' } },
      tcp: { port: 0 },
    });
    await send(sidecar.port, line(1));
    await until(() => linesBelow(join(folder, 'out')).length === 1, 'delivered');
    expect(JSON.parse(linesBelow(join(folder, 'out'))[0]!)).toMatchObject({ tags: { 'a=b': 'c=d' } });
  });

  test('without --config it runs on the configuration that comes with it', async () => {
    const folder = createFolder();
    const program = start(
      ['run', '--set', 'tcp.port=0', '--set', 'http.port=0', '--set', 'batch.max_age=20ms'],
      {
        cwd: folder,
      },
    );
    await until(() => program.stdout().includes('\n'), 'it listens', program.stderr);
    const { tcp } = JSON.parse(program.stdout()) as { tcp: string };
    await send(Number(tcp.split(':')[1]), line(1, 'web'));
    const file = join(folder, 'data', 'logs', 'web.jsonl');
    await until(() => linesOf(file).length === 1, 'the file of the source', program.stderr);
  });
});

describe('what keeps it from running', () => {
  test('a bad configuration is exit code 1, with everything that is wrong', async () => {
    const folder = createFolder();
    const yaml = ONE_FILE.replace('backend: files', 'backend: fils').replace(
      '20ms }',
      'soon }\ncolour: blue',
    );
    const path = write(join(folder, 'bad.yaml'), inFolder(yaml, folder));
    const { code, stdout, program } = await runToEnd(['run', '--config', path], { cwd: folder });
    expect(code).toBe(1);
    expect(stdout).toBe('');
    const said = program.log().map(({ msg }) => msg);
    expect(said).toHaveLength(3);
    expect(said.join('\n')).toContain(
      `${path}:8:16 routing.default[0].backend: unknown backend "fils"; did you mean "files"?`,
    );
    expect(said.join('\n')).toContain(`${path}:2:19 batch.max_age`);
    expect(said.join('\n')).toContain(`${path}:3:1 colour`);
    expect(program.log().every(({ level }) => level === 'error')).toBe(true);
  });

  test('a file that is not there is exit code 1', async () => {
    const folder = createFolder();
    const { code, program } = await runToEnd(['run', '--config', join(folder, 'none.yaml')], { cwd: folder });
    expect(code).toBe(1);
    expect(program.log()[0]!.msg).toContain('none.yaml: cannot read the file');
  });

  test('a folder in the place of the file is exit code 1', async () => {
    const folder = createFolder();
    mkdirSync(join(folder, 'x.yaml'));
    const { code, program } = await runToEnd(['run', '--config', join(folder, 'x.yaml')], { cwd: folder });
    expect(code).toBe(1);
    expect(program.log()[0]!.msg).toContain('x.yaml: cannot read the file');
  });

  test.each(['tcp', 'http'])(
    'a %s port in use is exit code 3, and a sentence says what to do',
    async (side) => {
      const taken = createServer().listen(0, '127.0.0.1');
      await once(taken, 'listening');
      const { port } = taken.address() as { port: number };
      const folder = createFolder();
      const path = write(join(folder, 'x.yaml'), inFolder(ONE_FILE, folder));
      const ports = { tcp: 0, http: 0, [side]: port };
      const args = ['--set', `tcp.port=${ports.tcp}`, '--set', `http.port=${ports.http}`];
      const { code, stdout, stderr, program } = await runToEnd(['run', '--config', path, ...args], {
        cwd: folder,
      });
      taken.close();
      expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
      const said = program.log().filter(({ level }) => level === 'error');
      expect(said).toHaveLength(1);
      expect(said[0]!.msg).toMatch(
        new RegExp(
          `127\\.0\\.0\\.1:${port}.* (another program listens there; stop it|is already in use.* stop it)`,
        ),
      );
      expect(stderr).not.toMatch(/\n\s+at /);
    },
  );
});

describe('clients', () => {
  test('of every framing, on TCP and on a Unix socket, reach the files', async () => {
    const folder = createFolder();
    const socketPath = join(folder, 'in.sock');
    const sidecar = await startSidecar({ folder, yaml: `${ONE_FILE}\ntcp: { socket: ${socketPath} }\n` });
    const packr = new Packr({ useRecords: false });
    const framed = (payload: Uint8Array) => {
      const header = Buffer.alloc(4);
      header.writeUInt32BE(payload.length);
      return Buffer.concat([header, payload]);
    };
    await send(sidecar.port, line(0), line(1).slice(0, 20), line(1).slice(20), line(2).trimEnd());
    await send(sidecar.port, packr.pack(record(3)), packr.pack(record(4)));
    await send(
      sidecar.port,
      framed(packr.pack(record(5))),
      Buffer.alloc(4),
      framed(Buffer.from(JSON.stringify(record(6)))),
    );
    (await connectTo({ path: socketPath })).end(line(7));
    const out = join(folder, 'out', 'all.jsonl');
    await until(
      () => linesOf(out).length === 8,
      'all are delivered',
      () => linesOf(out),
    );
    expect(numbersOf(linesOf(out)).sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    for (const text of linesOf(out)) {
      expect(JSON.parse(text)).toMatchObject({
        ...record(expect.any(Number) as never),
        id: expect.any(String),
      });
    }
  });

  test('an address beyond loopback runs, with a warning in the log and on /readyz', async () => {
    const sidecar = await startSidecar({ yaml: `${ONE_FILE}\ntcp: { host: 0.0.0.0 }\n` });
    await until(
      () => sidecar.hasLogged('warn', 'takes records from everybody who can reach this host'),
      'it is logged',
      sidecar.stderr,
    );
    const { ready, warnings } = await sidecar.get('/readyz');
    expect([ready, warnings]).toEqual([true, [`everyone who reaches ${sidecar.listening.tcp} may send`]]);
    expect(sidecar.listening.tcp).toBe(`0.0.0.0:${sidecar.port}`);
  });

  test('two sidecars share nothing', async () => {
    const port = await freePort();
    const one = await startSidecar({ yaml: ONE_FILE, set: [`tcp.port=${port}`, 'http.port=0'] });
    const two = await startSidecar({ yaml: ONE_FILE });
    expect(one.port).toBe(port);
    await Promise.all([send(one.port, line(1)), send(two.port, line(2))]);
    for (const [sidecar, value] of [
      [one, 1],
      [two, 2],
    ] as const) {
      const out = join(sidecar.folder, 'out');
      await until(() => linesBelow(out).length > 0, 'delivered');
      expect(numbersOf(linesBelow(out))).toEqual([value]);
    }
  });
});

describe('signals while it starts', () => {
  /** Its configuration needs an operator that sends `signal` while it is loaded. */
  const started = (signal: NodeJS.Signals) => {
    const folder = createFolder();
    mkdirSync(join(folder, 'pipelines'));
    write(
      join(folder, 'pipelines', 'signal.ts'),
      `process.kill(process.pid, '${signal}');\nexport default () => (message$: unknown) => message$;\n`,
    );
    const yaml = ONE_FILE.replace('backend: files', 'backend: files\n      operators: [signal]');
    const path = write(join(folder, 'sidecar.yaml'), `${inFolder(yaml, folder)}pipelines: ./pipelines\n`);
    const ports = ['--set', 'tcp.port=0', '--set', 'http.port=0'];
    return start(['run', '--config', path, '--data-dir', join(folder, 'data'), ...ports], { cwd: folder });
  };

  test('SIGTERM ends it', async () => {
    const program = started('SIGTERM');
    expect(await program.exit()).toBe(0);
    expect(program.hasLogged('info', 'nothing was lost')).toBe(true);
  });

  test('SIGHUP does not', async () => {
    const program = started('SIGHUP');
    await until(() => program.stdout().includes('listening') || !program.isRunning(), 'it listens');
    program.kill('SIGTERM');
    expect(await program.exit()).toBe(0);
  });
});

const onLinux = process.platform === 'linux' ? describe : describe.skip;

onLinux('a full disk', () => {
  const full = (redirection: string) => ['bash', '-c', `exec "$@" ${redirection}`, 'bash'];

  test('under the log does not end it', async () => {
    const folder = createFolder();
    const path = write(join(folder, 'sidecar.yaml'), inFolder(ONE_FILE, folder));
    const args = ['run', '--config', path, '--set', 'tcp.port=0', '--set', 'http.port=0'];
    const program = start([...args, '--set', 'tcp.host=0.0.0.0', '--data-dir', join(folder, 'data')], {
      cwd: folder,
      through: full('2>/dev/full'),
    });
    await until(() => program.stdout().includes('\n'), 'it listens');
    const { tcp } = JSON.parse(program.stdout()) as { tcp: string };
    const port = Number(tcp.split(':').at(-1));
    await send(port, '{no JSON}\n', line(1));
    const out = join(folder, 'out');
    await until(() => linesBelow(out).length === 1, 'it is delivered');
    program.kill('SIGTERM');
    expect(await program.exit()).toBe(0);
  });

  test('under what is printed is said in a line, and is exit code 1', async () => {
    const { code, stderr } = await runToEnd(['job', 'x', '--url', 'http://127.0.0.1:1'], {
      cwd: createFolder(),
      through: full('>/dev/full'),
    });
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^cannot print: ENOSPC.*\n$/)]);
  });
});

test('a second sidecar on the same data_dir is told of at its start, and none once the first is gone', async () => {
  const first = await startSidecar({ yaml: ONE_FILE });
  const args = ['--data-dir', first.listening.data_dir];
  const second = await startSidecar({ yaml: ONE_FILE, args });
  const { data_dir } = first.listening;
  expect(second.log()).toMatchObject([{ level: 'warn', data_dir, pid: first.pid }]);
  await second.stop();
  first.kill('SIGKILL');
  await first.exit();
  for (const way of ['killed', 'stopped']) {
    const next = await startSidecar({ yaml: ONE_FILE, args });
    expect({ way, stderr: next.stderr() }).toEqual({ way, stderr: '' });
    expect(await next.stop()).toBe(0);
  }
});
