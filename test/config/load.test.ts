import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import type { OperatorType } from '../../src/config/rules.ts';
import { accepted, configOf, errorsOf, lines, minimal, parse } from './support.ts';

const BRIEF = readFileSync(new URL('../../config/sidecar-config.yaml', import.meta.url), 'utf8');

describe("the brief's file", () => {
  test('loads as it stands', () => {
    const { config, hash, warnings } = accepted(BRIEF);
    expect(config.tcp).toMatchObject({ host: '0.0.0.0', port: 17_000 });
    expect(Object.keys(config.routing)).toEqual(['queue-service', 'config-service', 'default']);
    expect(config.routing['queue-service']?.[1]).toEqual({
      backend: 'nfs-file',
      enabled: true,
      priority: 2,
      when_full: 'spill',
      filter: { types: ['event'] },
      config: { path: '/mnt/nas/logs/queue-service.jsonl' },
      operators: [],
    });
    expect(config.backends.timescaledb).toMatchObject({
      type: 'postgres',
      options: { table: 'monitoring_events', pool_size: 4 },
    });
    expect(hash).toMatch(/^[0-9a-f]{12}$/);
    expect(lines(warnings)).toEqual([
      'config/x.yaml:3:9 tcp.host: "0.0.0.0" takes records from everybody who can reach this host; listen on 127.0.0.1, or set auth.token or tls.client_certificates: required',
    ]);
  });

  test('names a misspelt backend in the words of the issue', () => {
    expect(errorsOf(BRIEF.replace('backend: timescaledb', 'backend: timescale'))).toEqual([
      'config/x.yaml:8:16 routing.queue-service[0].backend: unknown backend "timescale"; did you mean "timescaledb"?',
    ]);
  });

  test('yields all of its errors at once, in the order of the file', () => {
    const broken = BRIEF.replace('port: 17000', 'port: 170000\n  hots: 1')
      .replace('types: [metric', 'type: [metric')
      .replace('priority: 2', 'priority: high')
      .replace('bucket:', 'buckett:')
      .replace('type: filesystem', 'type: filesytem')
      .replace('region: us-east-1', 'regio: us-east-1');
    expect(errorsOf(broken)).toEqual([
      'config/x.yaml:4:9 tcp.port: must be at most 65535',
      'config/x.yaml:5:3 tcp.hots: unknown key "hots"; did you mean "host"?',
      'config/x.yaml:13:9 routing.queue-service[0].filter.type: unknown key "type"; did you mean "types"?',
      'config/x.yaml:16:17 routing.queue-service[1].priority: expected a number, not text',
      'config/x.yaml:25:9 routing.config-service[0].config.buckett: unknown key "buckett"; did you mean "bucket"?',
      'config/x.yaml:40:11 backends.nfs-file.type: unknown type "filesytem"; did you mean "filesystem"?',
      'config/x.yaml:42:3 backends.s3.region: is missing; expected text',
      'config/x.yaml:44:5 backends.s3.regio: unknown key "regio"; did you mean "region"?',
    ]);
  });
});

describe('defaults', () => {
  test("are the brief's and the design's", () => {
    const { routing, backends, ...rest } = configOf(minimal());
    expect(rest).toEqual({
      tcp: { host: '127.0.0.1', port: 17_000, socket_mode: 0o660 },
      tls: undefined,
      auth: { required: false },
      journal: { max_messages: 20_000, max_bytes: 16_777_216 },
      limits: {
        max_frame: 1_048_576,
        max_connections: 1024,
        frame_timeout: 30_000,
        metric_sources: 1000,
      },
      http: { enabled: true, host: '127.0.0.1', port: 17_001, auth: 'token', redact: [] },
      data_dir: './data',
      metrics: { aggregate: false, window: 10_000, grace: 5000, max_series: 1000, emit: false },
      pipelines: './pipelines',
      batch: { max_count: 100, max_age: 5000, max_bytes: 1_048_576 },
      critical: { level: 'error' },
      enrich: { host: true, tags: {} },
      correlation: {
        max_traces: 10_000,
        max_messages: 20_000,
        max_messages_per_trace: 2000,
        max_bytes: 33_554_432,
        warm_start: { enabled: true, max_age: 3_600_000, max_bytes: 16_777_216 },
      },
      shutdown: { deadline: 8_000 },
      reload: { debounce: 100, drain: 10_000, poll: 10_000 },
    });
    expect(routing.default?.[0]).toMatchObject({
      enabled: true,
      priority: 100,
      when_full: 'spill',
      config: {},
    });
    expect(backends.files).toEqual({
      type: 'filesystem',
      durability: 'memory',
      spool: { max_bytes: 2 ** 30, max_age: 7 * 86_400_000 },
      concurrency: undefined,
      batch: undefined,
      timeout: 30_000,
      queue: { max_bytes: 67_108_864 },
      retry: { initial: 100, max: 30_000 },
      breaker: { failures: 5, reset_after: 10_000 },
      dead_letters: { enabled: true, max_bytes: 104_857_600, max_age: 30 * 86_400_000 },
      options: { base_path: '/logs', fsync: false },
    });
  });

  test('fill in what a section leaves out', () => {
    const config = configOf(minimal('batch: { max_age: 5ms }\nreload: {}'));
    expect(config.batch).toEqual({ max_count: 100, max_age: 5, max_bytes: 1_048_576 });
    expect(config.reload.debounce).toBe(100);
  });

  test('cannot be changed, nor can anything else', () => {
    const config = configOf(minimal());
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.batch)).toBe(true);
    expect(Object.isFrozen(config.routing.default?.[0])).toBe(true);
    expect(Object.isFrozen(config.backends.files?.options)).toBe(true);
    expect(Object.isFrozen(configOf(minimal()).batch)).toBe(true);
  });
});

/** The errors of one line in the place of `more`, without what precedes the path. */
const errorOf = (more: string) => errorsOf(minimal(more)).map((line) => line.replace(/^\S+ /, ''));

describe('wrong values', () => {
  test.each([
    ['tcp: 5', 'tcp: expected a map, not a number'],
    ['tcp: [1]', 'tcp: expected a map, not a list'],
    ['tcp:', 'tcp: expected a map, not nothing'],
    ['tcp: { port: -1 }', 'tcp.port: must be at least 0'],
    ['tcp: { port: 1.5 }', 'tcp.port: expected a whole number or false, not a number'],
    ['tcp: { port: true }', 'tcp.port: expected a number or false, not a boolean'],
    ['tcp: { port: auto }', 'tcp.port: expected a number or false, not text'],
    ['tcp: { host: 5 }', 'tcp.host: expected text, not a number; put it in quotes'],
    ['tcp: { host: "a b" }', 'tcp.host: expected a host name or an IP address'],
    ['tcp: { socket_mode: 0660 }', 'tcp.socket_mode: expected octal permissions in quotes, as in "0660"'],
    ['http: { enabled: yes }', 'http.enabled: expected true or false, not text'],
    ['data_dir: ""', 'data_dir: must not be empty'],
    ['batch: { max_count: 0 }', 'batch.max_count: must be at least 1'],
    [
      'batch: { max_age: 5 }',
      'batch.max_age: expected a duration such as 500ms, 5s, 1m, 2h or 1d; a number needs its unit, as in 5s',
    ],
    ['batch: { max_bytes: lots }', 'batch.max_bytes: expected a size such as 512B, 64KiB, 1MiB or 10MB'],
    ['limits: { max_frame: 16MiB }', 'limits.max_frame: must be between 1KiB and 8MiB'],
    ['enrich: { tags: { build: 42 } }', 'enrich.tags.build: expected text, not a number; put it in quotes'],
    ['enrich: { host: [] }', 'enrich.host: expected true or false or text, not a list'],
    [
      'critical: { level: eror }',
      'critical.level: "eror" is not one of trace, debug, info, notice, warn, warning, error, critical, alert, emergency, fatal, never; did you mean "error"?',
    ],
    ['critical: { match: { a: { gtt: 5 } } }', 'critical.match.a.gtt: unknown key "gtt"; did you mean "gt"?'],
    ['critical: { match: { a: { gt: x } } }', 'critical.match.a.gt: expected a number, not text'],
    [
      'critical: { match: { a: [{}] } }',
      'critical.match.a[0]: expected text or a number or true or false or null, not a map',
    ],
    [
      'critical: { match: { a: { regex: "(" } } }',
      'critical.match.a.regex: is not a regular expression (JavaScript, with the u flag)',
    ],
    ['batc: {}', 'batc: unknown key "batc"; did you mean "batch"?'],
    ['kafka: {}', 'kafka: unknown key "kafka"'],
    ['auth: { tokens: x }', 'auth.tokens: unknown key "tokens"; did you mean "token"?'],
    ['tls: {}', 'tls.cert: is missing; expected text'],
  ])('%s', (yaml, message) => expect(errorOf(yaml)).toContain(message));

  test('point at the key or at the value, whichever is wrong', () => {
    expect(errorsOf('tcp:\n  prot: 1\n  port: x\nrouting: {}\nbackends: {}')).toEqual([
      'config/x.yaml:2:3 tcp.prot: unknown key "prot"; did you mean "port"?',
      'config/x.yaml:3:9 tcp.port: expected a number or false, not text',
    ]);
  });

  test('point at the map in which something is missing', () => {
    expect(errorsOf('routing:\n  web:\n    - priority: 1\nbackends: {}')).toEqual([
      'config/x.yaml:3:7 routing.web[0].backend: is missing; expected text',
    ]);
  });

  test('are found within what an alias stands for', () => {
    const yaml = 'routing:\n  a: &a\n    - backend: nope\n  b: *a\nbackends: {}';
    expect(errorsOf(yaml)).toEqual([
      'config/x.yaml:3:16 routing.a[0].backend: unknown backend "nope"; "backends" has none',
      'config/x.yaml:3:16 routing.b[0].backend: unknown backend "nope"; "backends" has none',
    ]);
  });

  test('are counted past a hundred', () => {
    const errors = errorsOf(minimal(Array.from({ length: 250 }, (_, i) => `unknown_${i}: 1`).join('\n')));
    expect(errors).toHaveLength(100);
    expect(errors[99]).toMatch(/and 151 more$/);
  });

  test('are shown short, and without control characters', () => {
    const [error] = errorOf(`critical: { level: "\\e[2J${'x'.repeat(200)}" }`);
    expect(error).toMatch(/^critical\.level: "\\u001b\[2Jx{56}…" is not one of/);
  });
});

describe('no configuration at all', () => {
  const whole = 'a configuration is a map with "routing" and "backends"';
  test.each([
    ['', `the file is empty; ${whole}`],
    ['# nothing yet\n', `the file is empty; ${whole}`],
    ['hello', `this is no map; ${whole}`],
    ['- a\n- b', `this is no map; ${whole}`],
    ['42', `this is no map; ${whole}`],
    ['\u0000\u0001\u0002ELF', 'this is not a text file: it holds control characters or is not UTF-8'],
    ['x'.repeat(2 ** 20 + 1), 'the file is larger than 1 MiB'],
  ])('%.20j', (yaml, message) => expect(errorsOf(yaml)).toEqual([`config/x.yaml:1:1: ${message}`]));

  test('needs routing and backends', () => {
    expect(errorsOf('tcp: {}')).toEqual([
      'config/x.yaml:1:1 routing: is missing; expected a map',
      'config/x.yaml:1:1 backends: is missing; expected a map',
    ]);
  });
});

describe('backends', () => {
  test('take the keys of their type and of every lane, and suggest from both', () => {
    const section = 'type: filesystem, base_path: /x, base_pth: 1, concurency: 2, retry: { intial: 1s }';
    expect(
      errorsOf(`routing: {}\nbackends:\n  f: { ${section} }`).map((line) =>
        line.split(' ').slice(1).join(' '),
      ),
    ).toEqual([
      'backends.f.base_pth: unknown key "base_pth"; did you mean "base_path"?',
      'backends.f.concurency: unknown key "concurency"; did you mean "concurrency"?',
      'backends.f.retry.intial: unknown key "intial"; did you mean "initial"?',
    ]);
  });

  test('of no known type are named with those that are known', () => {
    expect(errorsOf('routing: {}\nbackends:\n  k: { type: kafka }')).toEqual([
      'config/x.yaml:3:14 backends.k.type: unknown type "kafka"; known are postgres, filesystem, s3, cloudwatch',
    ]);
  });

  test.each(['constructor', 'toString', 'hasOwnProperty'])(
    'a rule for %s is not fooled by objects',
    (name) => {
      expect(
        errorsOf(`routing: { a: [{ backend: ${name} }] }\nbackends: { f: { type: ${name} } }`),
      ).toHaveLength(2);
    },
  );

  test('have names that can name a folder', () => {
    expect(errorsOf('routing: {}\nbackends:\n  ../etc: { type: filesystem, base_path: / }')).toEqual([
      'config/x.yaml:3:3 backends["../etc"]: not a usable name: letters, digits, ".", "_" and "-", at most 64, a letter or digit first',
    ]);
  });

  test('keep lane settings and options apart', () => {
    const section =
      'type: filesystem, base_path: /x, timeout: 1m, batch: { max_count: 5 }, queue: { max_bytes: 1MiB }';
    const { f } = configOf(`routing: {}\nbackends:\n  f: { ${section} }`).backends;
    expect(f).toMatchObject({ timeout: 60_000, batch: { max_count: 5 }, queue: { max_bytes: 1_048_576 } });
    expect(f?.options).toEqual({ base_path: '/x', fsync: false });
  });
});

describe('rules', () => {
  const rule = (text: string) => minimal().replace('backend: files', text);
  const operators = new Map<string, OperatorType | Error>([
    ['redact', { options: z.strictObject({ fields: z.array(z.string()) }) }],
    ['plain', {}],
    [
      'throws',
      {
        options: z.looseObject({}).refine(() => {
          throw new Error('no schema');
        }),
      },
    ],
    ['broken', new Error('it has a syntax error')],
  ]);

  test('must be lists', () => {
    expect(errorsOf('routing:\n  default: { backend: files }\nbackends: {}')).toContain(
      'config/x.yaml:2:12 routing.default: expected a list, not a map',
    );
  });

  test('take operators by name or with options', () => {
    const config = configOf(rule('backend: files\n      operators: [plain, { use: redact, fields: [a] }]'), {
      operators,
    });
    expect(config.routing.default?.[0]?.operators).toEqual([
      { use: 'plain', options: {} },
      { use: 'redact', options: { fields: ['a'] } },
    ]);
  });

  test.each([
    ['[redct]', 'routing.default[0].operators[0]: unknown operator "redct"; did you mean "redact"?'],
    [
      '[mine]',
      'routing.default[0].operators[0]: unknown operator "mine"; the pipelines folder has no mine.ts',
    ],
    [
      '[{ use: mine }]',
      'routing.default[0].operators[0].use: unknown operator "mine"; the pipelines folder has no mine.ts',
    ],
    ['[{ usee: plain }]', 'routing.default[0].operators[0].use: is missing; expected text'],
    ['[redact]', 'routing.default[0].operators[0].fields: is missing; expected a list'],
    [
      '[{ use: redact, fields: [], field: 1 }]',
      'routing.default[0].operators[0].field: unknown key "field"; did you mean "fields"?',
    ],
    ['[{ use: plain, x: 1 }]', 'routing.default[0].operators[0].use: the operator "plain" takes no options'],
    ['[{ use: broken, x: 1 }]', 'routing.default[0].operators[0].use: it has a syntax error'],
    ['[5]', 'routing.default[0].operators[0]: expected text or a map, not a number'],
    [
      '[throws]',
      'routing.default[0].operators[0]: the operator "throws" cannot check its options: no schema',
    ],
  ])('operators: %s', (list, message) => {
    const errors = errorsOf(rule(`backend: files\n      operators: ${list}`), { operators });
    expect(errors.map((error) => error.replace(/^\S+ /, ''))).toContain(message);
  });

  test('are not checked for operators while nobody knows these', () => {
    expect(errorsOf(rule('backend: files\n      operators: [whatever]'))).toEqual([]);
  });

  test('take a glob, a list or a comparison to match', () => {
    const match =
      '{ a: "x*", b: [1, null, true], c: { gte: 5, exists: true }, d: null, e: { regex: "^a+$" } }';
    const config = configOf(
      rule(`backend: files\n      filter: { match: ${match}, sample: 0.5, min_level: warning }`),
    );
    expect(config.routing.default?.[0]?.filter).toEqual({
      match: { a: 'x*', b: [1, null, true], c: { gte: 5, exists: true }, d: null, e: { regex: '^a+$' } },
      sample: 0.5,
      min_level: 'warning',
    });
  });

  test.each([
    ['filter: { sample: 2 }', 'filter.sample: must be at most 1'],
    ['filter: { types: [] }', 'filter.types: must not be empty'],
    ['filter: { types: metric }', 'filter.types: expected a list, not text'],
    ['priority: 1.5', 'priority: expected a whole number, not a fraction'],
    ['priority: 1e99', 'priority: must be at most 1000000'],
    ['priority: .nan', 'priority: expected a number, not NaN'],
    ['when_full: drop', 'when_full: "drop" is not one of spill, shed, block'],
    ['config: 5', 'config: expected a map, not a number'],
    ['config: { path: 5 }', 'config.path: expected text, not a number; put it in quotes'],
    ['config: { base_path: / }', 'config.base_path: unknown key "base_path"'],
  ])('%s', (more, message) => {
    const errors = errorsOf(rule(`backend: files\n      ${more}`));
    expect(errors.map((error) => error.split('[0].')[1])).toContain(message);
  });
});

describe('warnings', () => {
  const warningsOf = (yaml: string) =>
    lines(accepted(yaml).warnings).map((line) => line.replace(/^\S+ /, ''));

  test('a backend that nothing is sent to', () => {
    expect(warningsOf(`${minimal()}  spare: { type: s3, region: r }`)).toEqual([
      'backends.spare: no rule sends anything here',
    ]);
  });

  test('no rule at all', () => {
    expect(warningsOf('routing: {}\nbackends: {}')).toEqual([
      'routing: has no rule: no message goes anywhere',
    ]);
  });

  test('a type that is nearly a known one; any other is of your own', () => {
    const yaml = minimal().replace(
      'backend: files',
      'backend: files\n      filter: { types: [metrics, alarm, span] }',
    );
    expect(warningsOf(yaml)).toEqual([
      'routing.default[0].filter.types[0]: "metrics" is a type of your own; did you mean "metric"?',
    ]);
  });

  test('none for a good file', () => expect(warningsOf(minimal())).toEqual([]));
});

test('a failure is a value, whatever the environment throws', () => {
  const readFile = () => {
    throw 'not even an error';
  };
  const result = parse(minimal('data_dir: "$' + '{file:x}"'), { readFile });
  expect('errors' in result && lines(result.errors)).toEqual([
    'config/x.yaml:1:11 data_dir: cannot read x: not even an error',
  ]);
});
