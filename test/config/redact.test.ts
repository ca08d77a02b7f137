// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is how the configuration writes references
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { z } from 'zod';
import { hide, isSecretKey, redact } from '../../src/config/redact.ts';
import { accepted, configOf, errorsOf, lines, minimal, withFiles } from './support.ts';

const SECRET = 'correct-horse-battery';
const options = withFiles(
  { 'config/pw': `${SECRET}\n` },
  { SECRET, PORT: '17003', OFF: 'false', NUMBER: '123456', SHORT: 'r1' },
);

const postgres = (value: string, more = '') =>
  `routing: { default: [{ backend: db }] }\nbackends:\n  db:\n    type: postgres\n    connection_string: ${value}\n${more}`;

describe('references', () => {
  test.each(['${SECRET}', '"${SECRET}"', '${file:pw}', '${SECRET:-x}'])(
    '%s gives the value to the backend',
    (value) => {
      expect(configOf(postgres(value), options).backends.db?.options).toMatchObject({
        connection_string: SECRET,
      });
    },
  );

  test('are of a text; where only a number or true/false will do, they become that', () => {
    const config = configOf(
      minimal('tcp: { port: "${PORT}" }\nhttp: { enabled: "${OFF}" }\nenrich: { tags: { a: "${NUMBER}" } }'),
      options,
    );
    expect(config.tcp.port).toBe(17_003);
    expect(config.http.enabled).toBe(false);
    expect(config.enrich.tags).toEqual({ a: '123456' });
  });

  test('become numbers in the options of a backend too', () => {
    const yaml = postgres('x', '    pool_size: ${NUMBER}\n    timeout: ${TIME:-5s}');
    expect(configOf(yaml, options).backends.db).toMatchObject({
      timeout: 5000,
      options: { pool_size: 123_456 },
    });
  });

  test('become numbers in the options of an operator too', () => {
    const limit = { options: z.strictObject({ rate: z.number() }) };
    const yaml = minimal().replace(
      'backend: files',
      'backend: files\n      operators: [{ use: limit, rate: "${NUMBER}" }]',
    );
    const config = configOf(yaml, { ...options, operators: new Map([['limit', limit]]) });
    expect(config.routing.default?.[0]?.operators).toEqual([{ use: 'limit', options: { rate: 123_456 } }]);
    expect(redact(config)).toMatchObject({
      routing: { default: [{ operators: [{ use: 'limit', rate: '***' }] }] },
    });
  });

  test('turn a text into nothing else', () => {
    expect(errorsOf(minimal('tcp: { port: "${SECRET}" }'), options)).toEqual([
      'config/x.yaml:1:14 tcp.port: expected a number or false, not text',
    ]);
    expect(errorsOf(minimal('tcp: { port: "${NUMBER}" }'), options)).toEqual([
      'config/x.yaml:1:14 tcp.port: must be at most 65535',
    ]);
  });

  test('that fail are the only thing that is said of their value', () => {
    expect(
      errorsOf(minimal('tcp: { port: "${NOPE}" }\nbatch: { max_age: "${file:nope}" }'), options),
    ).toEqual([
      'config/x.yaml:1:14 tcp.port: the environment variable NOPE is not set; set it, or write ${NOPE:-default}',
      'config/x.yaml:2:19 batch.max_age: cannot read nope: no such file',
    ]);
  });

  test('name files relative to the folder of the configuration', () => {
    const seen: string[] = [];
    const readFile = (path: string) => {
      seen.push(path);
      return 'x';
    };
    configOf(minimal('enrich: { tags: { a: "${file:a}", b: "${file:/b}", c: "${file:../c}" } }'), {
      readFile,
    });
    expect(seen).toEqual(['config/a', '/b', 'c']);
  });
});

describe('no error shows a secret', () => {
  test.each([
    ['as a backend', minimal().replace('backend: files', 'backend: ${SECRET}')],
    ['as a type', minimal().replace('type: filesystem', 'type: "${SECRET}"')],
    ['as a level', minimal('critical: { level: "${SECRET}" }')],
    ['as a part of a level', minimal('critical: { level: "err${SECRET}or" }')],
    ['as a port', minimal('tcp: { port: "${SECRET}" }')],
    ['as a certificate', minimal('tls: { cert: "${SECRET}", key: "${SECRET}" }')],
    [
      'as a message type',
      minimal().replace(
        'backend: files',
        'backend: files\n      filter: { types: ["${SECRET}"], sample: 5 }',
      ),
    ],
    ['as an operator', minimal().replace('backend: files', 'backend: files\n      operators: ["${SECRET}"]')],
  ])('%s', (_name, yaml) => {
    const errors = errorsOf(yaml, { ...options, operators: new Map() });
    expect(errors.length).toBeGreaterThan(0);
    expect(errors.join('\n')).not.toContain(SECRET);
    expect(errors.join('\n')).not.toContain(SECRET.slice(0, 8));
  });

  test.each(['k9', 'a-very-long-secret-'.repeat(20)])('however short or long: %.10s', (secret) => {
    const errors = errorsOf(minimal('critical: { level: "${S}" }'), { env: { S: secret } });
    expect(errors[0]).toMatch(/critical\.level: "\*\*\*" is not one of/);
    expect(errors[0]).not.toContain(secret.slice(0, 20));
  });

  test('nor does a warning', () => {
    const { warnings } = accepted(minimal('tcp: { host: "${SECRET}" }'), options);
    expect(lines(warnings)[0]).toMatch(/tcp\.host: "\*\*\*" takes records from everybody/);
  });

  test('nor is a literal one shown', () => {
    const yaml = `backends: { a: { type: s3, password: 12345678 } }\nrouting: { x: [{ backend: ${SECRET} }] }`;
    expect(errorsOf(`${yaml}\npassword: ${SECRET}`).join('\n')).not.toMatch(/12345678|correct-horse/);
  });
});

describe('redact', () => {
  const shown = (yaml: string) =>
    redact(configOf(yaml, options)) as { backends: Record<string, Record<string, unknown>> };

  test('spells the configuration as the file does', () => {
    const yaml = minimal().replace(
      'backend: files',
      'backend: files\n      operators: [a, { use: b, x: 1 }]',
    );
    expect(redact(configOf(yaml))).toMatchObject({
      tcp: { host: '127.0.0.1', port: 17_000 },
      routing: {
        default: [{ backend: 'files', priority: 100, operators: [{ use: 'a' }, { use: 'b', x: 1 }] }],
      },
      backends: { files: { type: 'filesystem', base_path: '/logs', timeout: 30_000 } },
    });
  });

  test.each([
    ['${SECRET}', '***'],
    ['"postgresql://u:${SECRET}@h/db?x=${SHORT}"', 'postgresql://u:***@h/db?x=***'],
    ['"postgresql://u:literal@h:5432/db"', 'postgresql://u:***@h:5432/db'],
    ['"postgresql://u:p@ss:w@h/db"', 'postgresql://u:***@h/db'],
    ['"host=h password=literal user=u"', 'host=h password=*** user=u'],
    ['"host=h password=\'two words\' user=u"', 'host=h password=*** user=u'],
    ['"postgresql://u@h/db"', 'postgresql://u@h/db'],
    ['"${NOTHING:-postgresql://h/db}"', 'postgresql://h/db'],
  ])('shows %s as %s', (value, text) => {
    expect(shown(postgres(value)).backends.db?.connection_string).toBe(text);
  });

  test('masks a value that came from a reference and is no text any more', () => {
    expect(redact(configOf(minimal('tcp: { port: "${PORT}" }'), options))).toMatchObject({
      tcp: { port: '***' },
    });
  });

  test('masks a secret key, whoever wrote it', () => {
    const yaml =
      'routing: { a: [{ backend: b }] }\nbackends: { b: { type: s3, region: r, password: literal } }';
    expect(shown(yaml).backends.b).toMatchObject({ region: 'r', password: '***' });
  });

  test('masks a secret in the options of an operator', () => {
    const yaml = minimal().replace(
      'backend: files',
      'backend: files\n      operators: [{ use: b, salt: "${SECRET}", nested: { token: [x] } }]',
    );
    expect(redact(configOf(yaml, options))).toMatchObject({
      routing: { default: [{ operators: [{ use: 'b', salt: '***', nested: { token: ['***'] } }] }] },
    });
  });

  test('masks what an alias stands for in both places', () => {
    const yaml = minimal('enrich: { tags: { a: &a "${SECRET}", b: *a } }');
    expect(redact(configOf(yaml, options))).toMatchObject({ enrich: { tags: { a: '***', b: '***' } } });
  });

  test('shows what the map itself says in the place of a merged secret', () => {
    const yaml = minimal('x: 1').replace('x: 1', 'enrich: { tags: { <<: &a { k: "${SECRET}" }, k: open } }');
    expect(redact(configOf(yaml, options))).toMatchObject({ enrich: { tags: { k: 'open' } } });
  });

  test('finds a secret that turns up elsewhere', () => {
    const yaml = postgres('"${SECRET}"', `    table: "copy of ${SECRET}"`);
    expect(shown(yaml).backends.db?.table).toBe('***');
  });

  test('never contains a secret, wherever it stands', () => {
    const secret = fc.stringMatching(/^[a-zA-Z0-9]{8,20}$/);
    const place = fc.constantFrom(
      'x: ${S}',
      'x: "a${S}b"',
      'x: >-\n      ${S}',
      'x: |\n      y\n      ${S}\n      z',
    );
    fc.assert(
      fc.property(secret, place, (value, text) => {
        const config = configOf(minimal(`enrich:\n  tags:\n    ${text}`), { env: { S: value } });
        expect(config.enrich.tags.x).toContain(value);
        expect(JSON.stringify(redact(config))).not.toContain(value);
      }),
      { numRuns: 50 },
    );
  });
});

describe('secret keys', () => {
  test.each([
    'password',
    'PASSWORD',
    'db_password',
    'secret_access_key',
    'api_key',
    'apikey',
    'session_token',
    'db.private-key',
    'credentials',
    'client_secret',
  ])('%s is one', (key) => expect(isSecretKey(key)).toBe(true));
  test.each([
    'key',
    'access_key_id',
    'tokens_per_second',
    'path',
    'bypass',
    'keyboard',
    'kms_key_id',
    'host',
  ])('%s is none', (key) => expect(isSecretKey(key)).toBe(false));
});

test('hide replaces the longest first, and nothing that is too short to be told from a word', () => {
  expect(hide('abcd abcdef', ['abcd', 'abcdef'])).toBe('*** ***');
  expect(hide('a map', ['a', 'map', ''])).toBe('a map');
});

test('hide finds a secret that was quoted', () => {
  expect(hide(JSON.stringify('{a"b\nc}'), ['a"b\nc'])).toBe('"{***}"');
});
