import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Certificates, createCertificates } from '../certificates.ts';
import { openPostgres, type Server, startServer } from './postgres-server.ts';
import { batch, send } from './support.ts';

let server: Server;
let certificates: Certificates;
/** Paths of PEM files. */
let files: Record<'ca' | 'cert' | 'key' | 'otherCert' | 'otherKey', string>;

beforeAll(async () => {
  certificates = createCertificates();
  server = await startServer(['listen_addresses=127.0.0.1,127.0.0.2']);
  const { ca, client, stranger } = certificates;
  files = {
    ca: await server.give('ca.pem', ca),
    cert: await server.give('client.pem', client.cert),
    key: await server.give('client.key', client.key),
    otherCert: await server.give('other.pem', stranger.cert),
    otherKey: await server.give('other.key', stranger.key),
  };
  const settings = {
    ssl_ca_file: files.ca,
    ssl_cert_file: await server.give('server.pem', certificates.server.cert),
    ssl_key_file: await server.give('server.key', certificates.server.key),
    hba_file: await server.give(
      'hba',
      [
        'host all postgres 127.0.0.0/8 scram-sha-256',
        'hostssl all client 127.0.0.0/8 cert',
        'hostssl all secured 127.0.0.0/8 scram-sha-256',
      ].join('\n'),
    ),
  };
  for (const [name, value] of Object.entries({ ...settings, ssl: 'on' })) {
    await server.query(`ALTER SYSTEM SET ${name} = '${value}'`);
  }
  for (const user of ['client', 'secured']) await server.query(`CREATE USER ${user} PASSWORD '${user}'`);
  await server.query('GRANT ALL ON SCHEMA public TO PUBLIC');
  await server.kill();
  await server.start();
}, 60_000);
afterAll(() => server.remove());

/** Sends to a table of its own; how the connection is secured. */
async function sendWith(query: string, options: object = {}, user = 'secured', host = '127.0.0.1') {
  const url = `${server.url('postgres', user).replace('127.0.0.1', host)}${query}`;
  const sink = openPostgres({ connection_string: url, table: `${user}_events`, ...options });
  await send(sink, batch());
  const [{ ssl }] = await server.query(
    `SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
     WHERE application_name = 'monitoring-sidecar' ORDER BY backend_start DESC LIMIT 1`,
  );
  return ssl;
}

describe('sslmode of the connection string', () => {
  test.each(['', '?sslmode=disable', '?sslmode=allow'])('%j goes without', async (query) => {
    expect(await sendWith(query, {}, 'postgres')).toBe(false);
    await expect(sendWith(query)).rejects.toThrow('SQLSTATE 28000');
  });

  test.each(['?sslmode=prefer', '?sslmode=require', '?sslmode=no-verify', '?ssl=true'])(
    '%s encrypts',
    async (query) => {
      expect(await sendWith(query)).toBe(true);
    },
  );

  test.each(['require', 'verify-ca', 'verify-full'])(
    '%s checks the authority that is named',
    async (mode) => {
      expect(await sendWith(`?sslmode=${mode}&sslrootcert=${encodeURIComponent(files.ca)}`)).toBe(true);
      const other = `?sslmode=${mode}&sslrootcert=${encodeURIComponent(files.otherCert)}`;
      await expect(sendWith(other)).rejects.toThrow(/unable to verify|self-signed|signature/i);
    },
  );

  test('only verify-full checks that the certificate is for this host', async () => {
    const query = (mode: string) => `?sslmode=${mode}&sslrootcert=${encodeURIComponent(files.ca)}`;
    expect(await sendWith(query('verify-ca'), {}, 'secured', '127.0.0.2')).toBe(true);
    expect(await sendWith(query('verify-full'), {}, 'secured', 'localhost')).toBe(true);
    await expect(sendWith(query('verify-full'), {}, 'secured', '127.0.0.2')).rejects.toThrow(/127\.0\.0\.2/);
  });

  test('verify-full wants an authority that the system knows, if none is named', async () => {
    await expect(sendWith('?sslmode=verify-full')).rejects.toThrow(/unable to verify|self-signed/);
  });

  test('another one is refused with the configuration', () => {
    const url = 'postgresql://u:secret@h/d?sslmode=verify';
    expect(() => openPostgres({ connection_string: url })).toThrow(/sslmode is one of disable, allow/);
  });
});

describe('the tls section', () => {
  test('trusts the authority that it names, and wins over sslmode', async () => {
    expect(await sendWith('?sslmode=disable', { tls: { ca_file: files.ca } })).toBe(true);
    await expect(sendWith('', { tls: {} })).rejects.toThrow(/unable to verify|self-signed/);
    expect(await sendWith('', { tls: { verify: false } })).toBe(true);
  });

  test('signs in with a certificate', async () => {
    const { ca, cert, key, otherCert, otherKey } = files;
    const tls = { ca_file: ca, cert_file: cert, key_file: key };
    expect(await sendWith('', { tls }, 'client')).toBe(true);
    const others = { ...tls, cert_file: otherCert, key_file: otherKey };
    await expect(sendWith('', { tls: others }, 'client')).rejects.toThrow();
  });

  test('a file that is missing is waited for', async () => {
    const late = { ca_file: `${files.ca}.later` };
    const sink = openPostgres({
      connection_string: server.url('postgres', 'secured'),
      tls: late,
      table: 'secured_events',
    });
    await expect(send(sink, batch())).rejects.toMatchObject({ name: 'Error' });
    await server.give('ca.pem.later', certificates.ca);
    await send(sink, batch());
  });
});
