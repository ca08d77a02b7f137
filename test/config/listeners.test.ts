// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is how the configuration writes references
import { beforeAll, describe, expect, test } from '@jest/globals';
import type { ParseOptions } from '../../src/config/load.ts';
import { redact } from '../../src/config/redact.ts';
import { isLoopback } from '../../src/hosts.ts';
import { type Certificates, createCertificates } from '../certificates.ts';
import { accepted, configOf, errorsOf, lines, minimal, withFiles } from './support.ts';

const errorOf = (more: string, options?: ParseOptions) =>
  errorsOf(minimal(more), options).map((line) => line.replace(/^\S+ /, ''));

describe('isLoopback', () => {
  test.each(['localhost', 'LOCALHOST', '127.0.0.1', '127.1.2.3', '::1', '::ffff:127.0.0.1'])(
    '%s is',
    (host) => expect(isLoopback(host)).toBe(true),
  );
  test.each([
    '0.0.0.0',
    '::',
    '10.0.0.1',
    'example.org',
    '127.evil.example',
    'localhost.example.org',
    '1127.0.0.1',
  ])('%s is not', (host) => expect(isLoopback(host)).toBe(false));
});

describe('addresses', () => {
  test.each([
    ['tcp: { port: 17001 }', 'http.port: tcp.port is 17001 too; they need two ports'],
    [
      'tcp: { port: 80, host: localhost }\nhttp: { port: 80 }',
      'http.port: tcp.port is 80 too; they need two ports',
    ],
    [
      'tcp: { port: 80, host: "::" }\nhttp: { port: 80 }',
      'http.port: tcp.port is 80 too; they need two ports',
    ],
    [
      'http: { host: 0.0.0.0, auth: none }',
      'http.auth: must be token: http.host "0.0.0.0" can be reached by others than the users of this machine',
    ],
    ['http: { token: short }', 'http.token: expected 32 to 128 letters, digits and - . _ ~ + /'],
    ['tcp: { port: false }', 'tcp.port: with the port off there must be a socket (tcp.socket)'],
    [`tcp: { socket: ${'x'.repeat(108)} }`, 'tcp.socket: is too long for a socket: at most 107 bytes'],
  ])('%s', (yaml, message) => expect(errorOf(yaml)).toEqual([message]));

  test.each([
    'tcp: { port: 0 }\nhttp: { port: 0 }',
    'tcp: { port: 17001, host: 127.0.0.2 }',
    'tcp: { port: 17001 }\nhttp: { enabled: false }',
    'tcp: { port: false, socket: /run/s.sock }\nhttp: { port: 17000 }',
    'tcp: { socket: /run/s.sock }',
    'http: { enabled: false, host: 0.0.0.0, auth: none }',
    'http: { host: 0.0.0.0 }',
    `http: { host: "::", token: ${'a'.repeat(32)} }`,
  ])('%s is fine', (yaml) => expect(errorOf(yaml)).toEqual([]));
});

describe('an open port', () => {
  const open = 'tcp: { host: 0.0.0.0 }';

  test('is a warning', () => {
    expect(lines(accepted(minimal(open)).warnings)).toEqual([
      'config/x.yaml:1:14 tcp.host: "0.0.0.0" takes records from everybody who can reach this host; listen on 127.0.0.1, or set auth.token or tls.client_certificates: required',
    ]);
  });

  test('is an error where authentication is required', () => {
    expect(errorOf(`${open}\nauth: { required: true }`)).toEqual([
      'auth.required: tcp.host "0.0.0.0" takes records from everybody who can reach this host; listen on 127.0.0.1, or set auth.token or tls.client_certificates: required',
    ]);
    expect(errorOf('auth: { required: true }')).toEqual([]);
    expect(errorOf(`${open}\nauth: { required: true, token: t }`)).toEqual([]);
    expect(accepted(minimal(`${open}\nauth: { token: t }`)).warnings).toEqual([]);
    expect(errorOf('tcp: { host: 0.0.0.0, port: false, socket: /s }\nauth: { required: true }')).toEqual([]);
  });
});

describe('tls', () => {
  let certificates: Certificates;
  let options: ParseOptions;
  beforeAll(() => {
    certificates = createCertificates();
    const { server, client, ca } = certificates;
    options = withFiles(
      {
        'config/cert.pem': server.cert,
        'config/key.pem': server.key,
        'config/other.pem': client.key,
        'config/ca.pem': ca,
        'config/noise.pem': 'nothing of the kind',
      },
      { KEY: server.key },
    );
  });

  test('comes out as PEM, whether from files or inline', () => {
    const { server, ca } = certificates;
    const pem = { cert: server.cert, key: server.key };
    expect(configOf(minimal('tls: { cert: cert.pem, key: key.pem }'), options).tls).toMatchObject(pem);
    const inline = 'tls: { cert: cert.pem, key: "${KEY}", ca: ca.pem, client_certificates: required }';
    expect(configOf(minimal(inline), options).tls).toEqual({ ...pem, ca, client_certificates: 'required' });
  });

  test('makes an open port a closed one', () => {
    const mutual = 'tls: { cert: cert.pem, key: key.pem, ca: ca.pem, client_certificates: required }';
    const yaml = minimal(`tcp: { host: 0.0.0.0 }\nauth: { required: true }\n${mutual}`);
    expect(accepted(yaml, options).warnings).toEqual([]);
    expect(
      errorOf(
        'tcp: { host: 0.0.0.0 }\nauth: { required: true }\ntls: { cert: cert.pem, key: key.pem }',
        options,
      ),
    ).toHaveLength(1);
  });

  test('shows the names of its files, and nothing of a key', () => {
    const shown = redact(configOf(minimal('tls: { cert: cert.pem, key: key.pem }'), options));
    expect(shown).toMatchObject({ tls: { cert: 'cert.pem', key: 'key.pem' } });
    const inline = redact(configOf(minimal('tls: { cert: cert.pem, key: "${KEY}" }'), options));
    expect(inline).toMatchObject({ tls: { key: '***' } });
    expect(JSON.stringify(inline)).not.toContain('PRIVATE');
  });

  test.each([
    [
      'cert: nope.pem, key: nope.key',
      ['tls.cert: cannot read nope.pem: no such file', 'tls.key: cannot read nope.key: no such file'],
    ],
    ['cert: noise.pem, key: key.pem', ['tls.cert: holds no certificate in PEM form']],
    [
      'cert: cert.pem, key: other.pem',
      ['tls.key: is no private key in PEM form, or not the one of tls.cert'],
    ],
    [
      'cert: cert.pem, key: noise.pem',
      ['tls.key: is no private key in PEM form, or not the one of tls.cert'],
    ],
    ['cert: cert.pem, key: key.pem, ca: noise.pem', ['tls.ca: holds no certificate in PEM form']],
    [
      'cert: cert.pem, key: key.pem, client_certificates: required',
      ['tls.client_certificates: needs tls.ca, the authority that signs them'],
    ],
  ])('%s', (keys, messages) => expect(errorOf(`tls: { ${keys} }`, options)).toEqual(messages));

  test('has another hash once a file has another content', () => {
    const yaml = minimal('tls: { cert: cert.pem, key: key.pem, ca: ca.pem }');
    const renewed = {
      ...options,
      readFile: (path: string) => options.readFile(path).replace('config/ca.pem', ''),
    };
    const { hash } = accepted(yaml, options);
    expect(accepted(yaml, renewed).hash).toBe(hash);
    const other = { ...options, readFile: (path: string) => `${options.readFile(path)}\n` };
    expect(accepted(yaml, other).hash).not.toBe(hash);
  });
});
