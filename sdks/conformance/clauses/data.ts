/** Values: text, numbers, limits, what is edited, times, ids. */
import type { Wire } from '../fake-sidecar.ts';
import { type Clause, demand, equal, sizeOf, statsOf, until, type World } from '../suite.ts';
import { Raw, SHARED, SPECIAL, type Value } from '../values.ts';

/** Sends events of one message with these contexts; what arrived, and the lines. */
async function sent({ fake, client }: World, contexts: readonly { readonly [key: string]: Value }[]) {
  const sidecar = await fake();
  const adapter = await client(sidecar);
  await adapter.calls(contexts.map((context) => ['event', 'info', 'data', context] as const));
  await until(
    () => sidecar.records().length >= contexts.length,
    () => `${sidecar.records().length} of ${contexts.length} records arrived, torn: ${sidecar.torn()}`,
  );
  const found: Wire[] = sidecar.records().map(({ data }) => data.context);
  return { contexts: found, lines: sidecar.lines(), adapter, sidecar };
}

const depthOf = (value: Wire): number =>
  typeof value !== 'object' || value === null ? 0 : 1 + Math.max(0, ...Object.values(value).map(depthOf));

const nested = (depth: number): Value => (depth === 0 ? 1 : { in: nested(depth - 1) });

const numbered = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, n]));

export const DATA: readonly Clause[] = [
  {
    id: 'C22',
    title: 'well-formed UTF-8 on one line, whatever the text is',
    async run(world) {
      const { fake, client, language } = world;
      const sidecar = await fake();
      const adapter = await client(sidecar);
      const texts: Value[] = [
        new Raw(Buffer.from('61ff62', 'hex')),
        SPECIAL.broken,
        new Raw(Buffer.from('c3a9ff', 'hex')),
        'two\nlines\r\nand\u2028more',
        new Raw(Buffer.from('f0288cbc', 'hex')),
      ];
      await adapter.calls(texts.map((text) => ['event', 'info', text, { text }] as const));
      await until(() => sidecar.records().length >= texts.length, 'not all arrived');
      const strict = new TextDecoder('utf-8', { fatal: true });
      for (const { bytes } of sidecar.connections) strict.decode(bytes());
      equal(sidecar.lines().length, texts.length, 'lines');
      const messages: string[] = sidecar.records().map(({ data }) => data.message);
      // Perl's text of bytes that are nowhere UTF-8 is Latin-1, as Perl has it.
      const invalid = language === 'perl' ? /^aÿb$/ : /^a\uFFFD+b$/;
      demand(invalid.test(messages[0] ?? ''), `a byte that is no UTF-8: ${JSON.stringify(messages[0])}`);
      demand(/^a\uFFFD+b$/.test(messages[1] ?? ''), `half a character: ${JSON.stringify(messages[1])}`);
      demand(/^é\uFFFD+$/.test(messages[2] ?? ''), `valid and invalid: ${JSON.stringify(messages[2])}`);
      equal(messages[3], 'two\nlines\r\nand\u2028more', 'line ends');
    },
  },
  {
    id: 'C23',
    title: 'no number is text in a context, and no metric',
    async run({ fake, client }) {
      const sidecar = await fake();
      const adapter = await client(sidecar);
      const numbers = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
      for (const number of numbers) await adapter.call('metric', 'm', number, 'count');
      await adapter.call('event', 'info', 'numbers', { numbers });
      await until(() => sidecar.records().length >= 1, 'nothing arrived');
      equal(
        sidecar.records().map(({ data }) => data.context?.numbers),
        [['NaN', 'Infinity', '-Infinity']],
        'what arrived',
      );
      equal((await statsOf(adapter)).encode, 3, 'dropped metrics');
    },
  },
  {
    id: 'C24',
    title: 'depth, keys, items, texts, records and integers have their limits',
    async run(world) {
      const long = Object.fromEntries([...'abcdefghij'].map((key) => [key, key.repeat(8000)]));
      const { contexts, lines, adapter, sidecar } = await sent(world, [
        nested(12) as { in: Value },
        { cycle: SPECIAL.cyclic },
        numbered(200),
        { items: Array.from({ length: 300 }, (_, n) => n) },
        { text: 'x'.repeat(9000), cut: '€'.repeat(4000) },
        long,
        { large: 2n ** 53n + 1n, small: -(2n ** 53n) - 1n, edge: 9007199254740991n },
      ]);
      const [deep, cyclic, keys, items, text, record, integers] = contexts;
      demand(depthOf(deep) <= 8, `depth ${depthOf(deep)}`);
      if (world.language !== 'c') equal(cyclic.cycle.self, '<cyclic>', 'a cycle');
      equal(Object.keys(keys).length, 128, 'keys');
      equal(items.items.length, 256, 'items');
      equal([text.text.length, text.cut], [8192, '€'.repeat(2730)], 'texts');
      equal(record, { _truncated: true }, 'a record of 80 KB');
      equal(
        [integers.large, integers.small, integers.edge],
        ['9007199254740993', '-9007199254740993', 9007199254740991],
        'integers',
      );
      const longest = Math.max(...lines.map((line) => Buffer.byteLength(line)));
      demand(longest < 65_536, `a line of ${longest} bytes`);
      const { ms } = await adapter.call('event', 'info', 'shared', { shared: SHARED });
      demand(Number(ms) < world.most(5000, 5000), `a list that is shared widely held up a call for ${ms} ms`);
      await until(() => sidecar.records().length > contexts.length, 'the shared list did not arrive');
      equal(sidecar.records().at(-1).data.context, { _truncated: true }, 'a list that is shared widely');
      // 38,400 bytes in MessagePack: more values than any record of JSON has.
      const lists = Array.from({ length: 150 }, () => Array.from({ length: 256 }, () => 1));
      const packed = await world.client(sidecar, {}, { MONITORING_PROTOCOL: 'msgpack' });
      await packed.call('event', 'info', 'many', { lists });
      await until(() => sidecar.records().length > contexts.length + 1, 'many values did not arrive');
      const many = sidecar.records().at(-1).data.context;
      if (many._truncated !== true) equal(many, { lists }, 'many values');
    },
  },
  {
    id: 'C25',
    title: 'arguments are read during the call, not changed, not kept',
    async run({ fake, client }) {
      const sidecar = await fake();
      const adapter = await client(sidecar);
      const { same } = await adapter.call('mutated', { a: 1, map: { b: 'two' } });
      equal(same, '1', 'whether the argument stayed as it was');
      await until(() => sidecar.records().length >= 2, 'not all arrived');
      equal(
        sidecar.records()[1].data.context,
        { kept: { a: 1, map: { b: 'two' } } },
        'what set_context keeps',
      );
    },
  },
  {
    id: 'C26',
    title: 'numbers, booleans, dates, bytes and nothing arrive as what they are',
    async run(world) {
      const value = {
        whole: 3,
        part: 0.25,
        large: 1e300,
        tiny: 1e-7,
        yes: true,
        no: false,
        text: '3',
        none: null,
        date: new Date(1760956245_000),
        bytes: Buffer.from([0, 255, 16]),
      };
      const { contexts, adapter, sidecar } = await sent(world, [value]);
      const wanted = { ...value, date: '2025-10-20T10:30:45Z', bytes: 'base64:AP8Q' };
      for (const [key, one] of Object.entries(wanted)) equal(contexts[0][key], one, key);
      for (const level of [null, '', SPECIAL.empty]) await adapter.call('event', level, 'default');
      await until(() => sidecar.records().length >= 4, 'not all arrived');
      const levels = sidecar
        .records()
        .slice(1)
        .map(({ data }) => data.level);
      equal(levels, ['info', 'info', 'info'], 'levels without text');
    },
  },
  {
    id: 'C27',
    title: 'before_send may edit a record, or leave it out',
    async run({ fake, client, language }) {
      const sidecar = await fake();
      const adapter = await client(sidecar, { before_send: 'edit' });
      await adapter.call('event', 'info', 'secret', { card: 1 });
      if (language !== 'c') await adapter.call('event', 'info', 'fault');
      await adapter.call('event', 'info', 'plain', { n: 1 });
      await until(() => sidecar.records().length >= 1, 'nothing arrived');
      equal(
        sidecar.records().map(({ data }) => [data.message, data.context]),
        [['edited', { n: 1 }]],
        'what arrived',
      );
      equal((await statsOf(adapter)).encode, 1, 'what it threw, or logged itself, counted');
    },
  },
  {
    id: 'C28',
    title: 'milliseconds and microseconds of the moment of the call; durations of the monotonic clock',
    async run({ fake, client }) {
      const sidecar = await fake();
      const adapter = await client(sidecar);
      const beforeMs = Date.now();
      await adapter.call('event', 'info', 'now');
      const afterMs = Date.now();
      const { id = '' } = await adapter.call('start', 'slept');
      await adapter.call('sleep', 0.06);
      await adapter.call('end', id, 'success');
      await until(() => sidecar.records().length >= 3, 'not all arrived');
      const [event, start, end] = sidecar.records();
      for (const { timestamp, ts_us: us } of [event, start, end]) {
        equal(Date.parse(timestamp), Math.floor(us / 1000), 'timestamp and ts_us');
      }
      const atMs = event.ts_us / 1000;
      demand(atMs >= beforeMs - 2 && atMs <= afterMs + 2, `${atMs} is not within [${beforeMs}, ${afterMs}]`);
      const { start_us: startUs, duration_us: durationUs } = end.data;
      demand(durationUs >= 55_000 && durationUs < 10_000_000, `60 ms took ${durationUs} µs`);
      demand(Math.abs(startUs - start.ts_us) < 50_000, `start_us ${startUs}, its record ${start.ts_us}`);
    },
  },
  {
    id: 'C29',
    title: 'no id comes twice, in forks neither',
    async run(world) {
      const { fake, client, language } = world;
      const sidecar = await fake();
      const adapter = await client(sidecar);
      const forks = ['java', 'typescript'].includes(language) ? 0 : 8;
      const each = sizeOf(world, { fast: 200, r: 25, full: 10_000, fullR: 300 });
      if (forks > 0) await adapter.call('fork', forks, each, 'span');
      else
        for (let nth = 0; nth < 2 * each; nth++)
          await adapter.call('end', (await adapter.call('start', 's')).id ?? '', 'success');
      const count = forks > 0 ? (forks + 1) * each : 2 * each;
      await until(
        () => sidecar.records().length >= 2 * count,
        () => `${sidecar.records().length} of ${2 * count} arrived`,
        60_000,
      );
      const ends = sidecar.records().filter(({ data }) => data.phase === 'end');
      equal(new Set(ends.map((record) => record.span_id)).size, count, 'distinct span ids');
      equal(new Set(ends.map((record) => record.trace_id)).size, count, 'distinct trace ids');
      return `${count} spans of ${forks + 1} processes`;
    },
  },
];
