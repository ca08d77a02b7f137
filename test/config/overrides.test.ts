// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is how the configuration writes references
import { describe, expect, test } from '@jest/globals';
import type { Override } from '../../src/config/overrides.ts';
import { redact } from '../../src/config/redact.ts';
import { configOf, errorsOf, minimal } from './support.ts';

const set = (...overrides: Override[]) => ({ overrides, env: { SECRET: 'correct-horse' } });

describe('an override is set', () => {
  test('as YAML would read it', () => {
    const config = configOf(
      minimal('tcp: { port: 1 }'),
      set(
        ['tcp.port', '0'],
        ['tcp.host', '::1'],
        ['http.enabled', 'false'],
        ['batch.max_age', '5ms'],
        ['enrich.tags', '{ a: "1" }'],
      ),
    );
    expect(config.tcp).toMatchObject({ port: 0, host: '::1' });
    expect(config.http.enabled).toBe(false);
    expect(config.batch.max_age).toBe(5);
    expect(config.enrich.tags).toEqual({ a: '1' });
  });

  test('where the file says nothing', () => {
    expect(configOf(minimal(), set(['limits.max_connections', '7'])).limits.max_connections).toBe(7);
  });

  test('within lists, and at their end', () => {
    const config = configOf(
      minimal(),
      set(
        ['routing.default[0].priority', '1'],
        ['routing.default[1]', '{ backend: files }'],
        ['routing["a.b"]', '[]'],
        ['routing.web[0].backend', 'files'],
      ),
    );
    expect(config.routing.default).toHaveLength(2);
    expect(config.routing.default?.[0]?.priority).toBe(1);
    expect(config.routing['a.b']).toEqual([]);
    expect(config.routing.web).toMatchObject([{ backend: 'files' }]);
  });

  test('in order: the last wins', () => {
    expect(configOf(minimal(), set(['tcp.port', '1'], ['tcp.port', '2'])).tcp.port).toBe(2);
  });

  test('and mends what is wrong in the file', () => {
    expect(errorsOf(minimal('tcp: { port: x }'), set(['tcp.port', '0']))).toEqual([]);
  });

  test('in the place of a reference, which then hides nothing any more', () => {
    const config = configOf(minimal('enrich: { host: "${SECRET}" }'), set(['enrich.host', 'open']));
    expect(redact(config)).toMatchObject({ enrich: { host: 'open' } });
  });

  test('with references of its own, as secret as those of the file', () => {
    const config = configOf(minimal(), set(['enrich.host', '${SECRET}']));
    expect(config.enrich.host).toBe('correct-horse');
    expect(redact(config)).toMatchObject({ enrich: { host: '***' } });
  });
});

/** `a.a.a…` */
const deepPath = (depth: number) => Array.from({ length: depth }, () => 'a').join('.');

describe('an error names the command line, not the file', () => {
  test.each<[string, string, string]>([
    ['tcp.port', 'x', '--set tcp.port: expected a number or false, not text'],
    ['foo.bar', '1', '--set foo: unknown key "foo"'],
    ['tcp.prot', '1', '--set tcp.prot: unknown key "prot"; did you mean "port"?'],
    [
      'routing.default[0].backend',
      'fils',
      '--set routing.default[0].backend: unknown backend "fils"; did you mean "files"?',
    ],
    [
      'backends.files.base_path',
      '5',
      '--set backends.files.base_path: expected text, not a number; put it in quotes',
    ],
    [
      'batch',
      '{ max_age: 5 }',
      '--set batch.max_age: expected a duration such as 500ms, 5s, 1m, 2h or 1d; a number needs its unit, as in 5s',
    ],
    [
      'tcp.port.x',
      '1',
      '--set tcp.port.x: there is no such place: what is above it is no map and no list, or a shorter list',
    ],
    [
      'routing.default[5].backend',
      'x',
      '--set routing.default[5].backend: there is no such place: what is above it is no map and no list, or a shorter list',
    ],
    [
      'routing.default.x',
      '1',
      '--set routing.default.x: there is no such place: what is above it is no map and no list, or a shorter list',
    ],
    ['', '1', '--set [""]: is no path such as tcp.port or routing.web[0].enabled'],
    ['tcp port', '1', '--set ["tcp port"]: is no path such as tcp.port or routing.web[0].enabled'],
    ['__proto__.x', '1', '--set __proto__.x: is no path such as tcp.port or routing.web[0].enabled'],
    [deepPath(5000), '1', `--set ${deepPath(64)}: nested deeper than 64 levels`],
    [`a${'[0]'.repeat(5000)}`, '1', `--set a${'[0]'.repeat(63)}: nested deeper than 64 levels`],
    ['tcp.port', '[1', '--set tcp.port: not YAML: Flow sequence must end with a ]'],
    [
      'tcp.host',
      '${NOPE}',
      '--set tcp.host: the environment variable NOPE is not set; set it, or write ${NOPE:-default}',
    ],
    ['tcp.port', '', '--set tcp.port: expected a number or false, not nothing'],
  ])('%s=%s', (path, value, message) => {
    expect(errorsOf(minimal('tcp: { port: 1 }'), set([path, value]))).toContain(message);
  });

  test('while those of the file keep their place', () => {
    expect(errorsOf(minimal('tcp: { host: 5 }'), set(['tcp.port', 'x']))).toEqual([
      '--set tcp.port: expected a number or false, not text',
      'config/x.yaml:1:14 tcp.host: expected text, not a number; put it in quotes',
    ]);
  });
});

test('nothing reaches a prototype', () => {
  errorsOf(
    minimal(),
    set(
      ['__proto__.polluted', '1'],
      ['tcp.__proto__.polluted', '1'],
      ['constructor.prototype.polluted', '1'],
    ),
  );
  expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
});
