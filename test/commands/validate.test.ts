import { join } from 'node:path';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { closeAll, createFolder, inFolder, ONE_FILE, ROOT, runToEnd, write } from '../processes.ts';

jest.setTimeout(180_000);
afterEach(closeAll);

async function validate(yaml: string, name = 'x.yaml') {
  const folder = createFolder();
  const path = write(join(folder, name), inFolder(yaml, folder));
  return { folder, path, ...(await runToEnd(['validate', path], { cwd: folder })) };
}

describe('exit code 0', () => {
  test('a valid configuration says so, with its hash, and makes nothing', async () => {
    const { code, stdout, stderr, path } = await validate(ONE_FILE);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(new RegExp(`^${path}: valid \\(configuration [0-9a-f]+\\)\n$`));
  });

  test('the configuration of the brief is valid; what deserves attention is a warning each', async () => {
    const path = join(ROOT, 'config', 'sidecar-config.yaml');
    const { code, stdout } = await runToEnd(['validate', path], { cwd: createFolder() });
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines.at(-1)).toMatch(/: valid \(configuration [0-9a-f]+\)$/);
    expect(lines.slice(0, -1).every((line) => line.startsWith('warning: '))).toBe(true);
    expect(stdout).toContain('sidecar-config.yaml:3:9 tcp.host: "0.0.0.0" takes records from everybody');
  });

  test('a folder of operators that is named and not there is a warning', async () => {
    const yaml = `pipelines: ./piplines\n${ONE_FILE.replace('backend: files', 'backend: files\n      operators: [redact]')}`;
    const { code, stdout, path, folder } = await validate(yaml);
    expect(code).toBe(0);
    expect(stdout).toContain(
      `warning: ${path}:1:12 pipelines: there is no folder ${join(folder, 'piplines')}; only the sidecar's own operators are found\n`,
    );
  });

  test('nothing in a configuration can act on the terminal', async () => {
    const { stdout } = await validate(`pipelines: "./\\e[2J"\n${ONE_FILE}`, '\x1b[31m.yaml');
    expect(stdout).toContain('\\x1b[2J; only');
    expect(stdout).toContain('\\x1b[31m.yaml: valid');
    expect(stdout).not.toContain('\x1b');
  });

  test.each(['default.yaml', 'example.yaml'])('config/%s is valid', async (name) => {
    const { code } = await runToEnd(['validate', join(ROOT, 'config', name)], { cwd: createFolder() });
    expect(code).toBe(0);
  });
});

describe('exit code 1', () => {
  test('all errors at once, each with its place', async () => {
    const yaml = ONE_FILE.replace('backend: files', 'backend: fils').replace(
      '20ms }',
      'soon }\ncolour: blue',
    );
    const { code, stdout, path } = await validate(yaml);
    expect(code).toBe(1);
    expect(stdout.trimEnd().split('\n')).toEqual([
      expect.stringContaining(`${path}:2:19 batch.max_age: expected a duration`),
      expect.stringContaining(`${path}:3:1 colour: unknown key`),
      expect.stringContaining(
        `${path}:8:16 routing.default[0].backend: unknown backend "fils"; did you mean "files"?`,
      ),
    ]);
  });

  test('a file that is not there', async () => {
    const { code, stdout } = await runToEnd(['validate', 'none.yaml'], { cwd: createFolder() });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^none\.yaml: .*(no such file|does not exist|ENOENT)/i);
  });

  test('an operator that does not load is named with its file', async () => {
    const folder = createFolder();
    write(join(folder, 'pipelines', 'broken.ts'), 'export default 42;\n');
    const yaml = ONE_FILE.replace('backend: files', 'backend: files\n      operators: [broken]');
    const path = write(join(folder, 'x.yaml'), inFolder(yaml, folder));
    const { code, stdout } = await runToEnd(['validate', path], { cwd: folder });
    expect(code).toBe(1);
    expect(stdout).toContain('broken.ts');
  });
});
