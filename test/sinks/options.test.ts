import { describe, expect, test } from '@jest/globals';
import { type ZodType, z } from 'zod';
import cloudwatch from '../../src/sinks/cloudwatch.ts';
import consoleSink from '../../src/sinks/console.ts';
import filesystem from '../../src/sinks/filesystem.ts';
import postgres from '../../src/sinks/postgres.ts';
import s3 from '../../src/sinks/s3.ts';

const definitions = { cloudwatch, console: consoleSink, filesystem, postgres, s3 };
const aws = { region: 'us-east-1' };

/** What is wrong with `value`, as `path: message`. */
function wrong(schema: ZodType<object>, value: object): string[] {
  const issues = schema.safeParse(value).error?.issues ?? [];
  return issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
}

describe('the example of the manual', () => {
  test.each<[keyof typeof definitions, object]>([
    [
      'postgres',
      { connection_string: 'postgresql://user:pass@localhost:5432/monitoring', table: 'monitoring_events' },
    ],
    ['filesystem', { base_path: '/mnt/nas/logs' }],
    ['s3', aws],
    ['cloudwatch', aws],
    ['console', {}],
  ])('%s', (type, options) => {
    expect(definitions[type].options.parse(options)).toMatchObject(options);
  });

  test.each<[keyof typeof definitions, object]>([
    ['filesystem', { path: '/mnt/nas/logs/queue-service.jsonl' }],
    ['s3', { bucket: 'monitoring-logs', prefix: 'config-service/' }],
    ['cloudwatch', { log_group: '/app/monitoring', log_stream: '{source}' }],
    ['postgres', { table: 'other' }],
    ['console', {}],
  ])('a rule on %s', (type, overrides) => {
    expect(definitions[type].overrides.parse(overrides)).toEqual(overrides);
    expect(definitions[type].overrides.parse({})).toEqual({});
  });
});

describe('defaults', () => {
  test('filesystem', () => {
    expect(filesystem.options.parse({ base_path: 'data', rotate: { every: '15m' } })).toEqual({
      base_path: 'data',
      path: '{source}.jsonl',
      fsync: 'never',
      rotate: { every: 900_000, gzip: true },
      mode: '0640',
      max_open_files: 128,
      create_base_path: true,
    });
  });

  test('console', () => {
    expect(consoleSink.options.parse({})).toEqual({ format: 'auto', stream: 'stdout' });
  });

  test('postgres', () => {
    expect(postgres.options.parse({ connection_string: 'postgres:///db' })).toEqual({
      connection_string: 'postgres:///db',
      table: 'monitoring_events',
      embedded: false,
      create_table: true,
      timescale: { metrics_view: true },
      pool_size: 4,
      connect_timeout: 5_000,
      idle_timeout: 30_000,
      statement_timeout: 30_000,
      application_name: 'monitoring-sidecar',
    });
  });

  test('s3', () => {
    expect(s3.options.parse(aws)).toEqual({
      ...aws,
      max_connections: 16,
      connect_timeout: 5_000,
      request_timeout: 30_000,
      prefix: '{source}/',
      path_style: false,
      compression: 'gzip',
      target_size: 4_194_304,
      part_size: 8_388_608,
      checksum: 'crc32',
    });
  });

  test('cloudwatch', () => {
    expect(cloudwatch.options.parse(aws)).toEqual({
      ...aws,
      max_connections: 16,
      connect_timeout: 5_000,
      request_timeout: 30_000,
      log_stream: '{source}',
      create: true,
      oversize: 'truncate',
      max_streams: 1000,
    });
  });
});

test.each<[keyof typeof definitions, object, string | RegExp]>([
  ['filesystem', {}, /^base_path: /],
  ['filesystem', { base_path: '' }, /^base_path: /],
  [
    'filesystem',
    { base_path: '/a', path: '{sorce}' },
    'path: unknown field {sorce} in "{sorce}"; did you mean "source"?',
  ],
  [
    'filesystem',
    { base_path: '/a', path: '../b' },
    'path: path "../b" is outside base_path "/a"; name a file inside it',
  ],
  ['filesystem', { base_path: '/a', mode: 640 }, 'mode: expected octal permissions in quotes, as in "0640"'],
  [
    'filesystem',
    { base_path: '/a', mode: '0980' },
    'mode: expected octal permissions in quotes, as in "0640"',
  ],
  [
    'filesystem',
    { base_path: '/a', fsync: 'always' },
    'fsync: expected never, batch or a duration such as 1s',
  ],
  ['filesystem', { base_path: '/a', rotate: {} }, 'rotate: needs `max_bytes`, `every` or both'],
  [
    'filesystem',
    { base_path: '/a', rotate: { every: 'week' } },
    'rotate.every: expected hour, day or a duration such as 15m',
  ],
  ['filesystem', { base_path: '/a', rotate: { max_bytes: 7 } }, /^rotate\.max_bytes: expected a size/],
  ['filesystem', { base_path: '/a', rotate: { max_bytes: '1MiB', keep: 0 } }, /^rotate\.keep: /],
  ['filesystem', { base_path: '/a', max_open_files: 0 }, /^max_open_files: /],
  ['console', { format: 'xml' }, /^format: /],
  ['console', { level: 'warning' }, /^level: /],
  ['postgres', {}, /^connection_string: /],
  [
    'postgres',
    { connection_string: 'postgres://u:a/b@h/d' },
    /in a password write % \/ \? # as %25 %2F %3F %23$/,
  ],
  ['postgres', { connection_string: 'postgres://h/d', embedded: true }, /^connection_string: /],
  ['postgres', { connection_string: 'postgres://h/d?sslmode=on' }, /^connection_string: sslmode is one of /],
  [
    'postgres',
    { connection_string: 'mysql://h/d' },
    'connection_string: expected postgresql://user:password@host:5432/database; in a password write % / ? # as %25 %2F %3F %23',
  ],
  [
    'postgres',
    { connection_string: 'postgres://h/d', table: 'a.b.c' },
    /^table: expected a table as name or schema\.name/,
  ],
  ['postgres', { connection_string: 'postgres://h/d', table: 'ä'.repeat(32) }, /^table: /],
  ['postgres', { connection_string: 'postgres://h/d', table: '' }, /^table: /],
  [
    'postgres',
    { connection_string: 'postgres://h/d', tls: { cert_file: 'x' } },
    'tls: `cert_file` and `key_file` go together',
  ],
  [
    'postgres',
    { connection_string: 'postgres://h/d', timescale: { retention: '30' } },
    /^timescale\.retention: /,
  ],
  ['s3', {}, /^region: /],
  ['s3', { ...aws, bucket: 'Big' }, /^bucket: expected a bucket/],
  ['s3', { ...aws, bucket: 'a..b' }, /^bucket: /],
  ['s3', { ...aws, prefix: '{job}' }, /^prefix: unknown field {job}/],
  ['s3', { ...aws, part_size: '1MiB' }, /^part_size: must be between 5MiB and 5GiB/],
  ['s3', { ...aws, compression_level: 10 }, 'compression_level: gzip knows levels 1 to 9'],
  ['s3', { ...aws, checksum: 'md5' }, /^checksum: /],
  ['s3', { ...aws, kms_key_id: 'k' }, 'kms_key_id: `kms_key_id` needs `encryption: aws:kms`'],
  ['s3', { ...aws, endpoint: 'localhost:9000' }, /^endpoint: /],
  ['s3', { ...aws, credentials: { access_key_id: 'k' } }, /^credentials\.secret_access_key: /],
  ['cloudwatch', { ...aws, log_group: 'a b' }, /^log_group: expected letters/],
  ['cloudwatch', { ...aws, log_stream: 'a:b' }, 'log_stream: must not have : or *'],
  ['cloudwatch', { ...aws, log_stream: '{src}' }, /^log_stream: unknown field {src}/],
  ['cloudwatch', { ...aws, retention_days: 2 }, /^retention_days: /],
  ['cloudwatch', { ...aws, oversize: 'drop' }, /^oversize: /],
  ['cloudwatch', { ...aws, max_streams: 0 }, /^max_streams: /],
])('%s refuses %j', (type, options, message) => {
  expect(wrong(definitions[type].options, options)).toEqual([expect.stringMatching(escaped(message))]);
});

const escaped = (text: string | RegExp) =>
  typeof text === 'string' ? new RegExp(`^${text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')}$`) : text;

describe.each(Object.entries(definitions))('%s', (_, definition) => {
  test('knows no other keys', () => {
    expect(wrong(definition.options, { nonsense: 1 }).join()).toMatch('Unrecognized key: "nonsense"');
    expect(wrong(definition.overrides, { nonsense: 1 }).join()).toMatch('Unrecognized key: "nonsense"');
  });

  test('says in the schema what every key is for', () => {
    const { properties = {} } = z.toJSONSchema(definition.options, { io: 'input' });
    for (const [key, property] of Object.entries(properties)) {
      expect([key, Object(property).description]).toEqual([key, expect.stringMatching(/^[A-Z`…].*\.$/s)]);
    }
  });
});
