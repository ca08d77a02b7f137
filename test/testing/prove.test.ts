import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import {
  configOf,
  loadConfig,
  type MarbleTest,
  MarbleTestError,
  prove,
  record,
  withSettings,
} from '../../src/testing/index.ts';
import { faultsOf, load, MESSAGES, proveOf, testOf, YAML } from './support.ts';

const folder = mkdtempSync(join(tmpdir(), 'sidecar-testing-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Passes if the test does; fails with its diff. */
const passes = async (test: Partial<MarbleTest> & { in: string }) => expect(await faultsOf(test)).toEqual([]);

describe('batches', () => {
  test('close by age, by count, when they are critical and at the end', async () => {
    await passes({
      in: 'a-b 200ms |',
      out: { one: ['100ms x', { x: 'ab' }], two: ['100ms x', { x: 'ab' }] },
    });
    await passes({ in: 'a-b-a 1s |', out: { one: ['----x', { x: 'aba' }], two: ['----x', { x: 'aba' }] } });
    await passes({ in: 'a-x 1s |', out: { one: ['--y', { y: 'ax' }], two: ['--y', { y: 'ax' }] } });
    await passes({ in: 'd---|', out: { one: '----d' } });
  });

  test('are of one source each', async () => {
    await passes({ in: '(ad) 1s |', out: { one: '100ms (ad)', two: '100ms a' } });
  });

  test('show the order of their messages, which counts', async () => {
    await passes({ in: 'd-d 1s |', out: { one: ['100ms x', { x: ['d', 'd'] }] } });
    expect(
      await faultsOf({
        in: 'a-b 1s |',
        out: { one: ['100ms x', { x: 'ba' }], two: ['100ms x', { x: 'ab' }] },
      }),
    ).not.toEqual([]);
  });

  test('of many messages', async () => {
    await passes({ in: 'd 1s |', repeat: { d: 7 }, out: { one: ['(xx) 96ms d', { x: 'd*3' }] } });
  });
});

describe('targets are those of the real backends', () => {
  const target = (text: string) =>
    ({
      one: ['100ms a'] as [string],
      two: ['100ms x', { x: { messages: 'a', target: text } }],
    }) as MarbleTest['out'];

  test('a path, whole or by its end', async () => {
    for (const text of ['/logs/two/events/web.jsonl', 'events/web.jsonl', 'web.jsonl']) {
      await passes({ in: 'a 1s |', out: target(text)! });
    }
    for (const text of ['eb.jsonl', 'events', '/web.jsonl', '']) {
      expect(await faultsOf({ in: 'a 1s |', out: target(text)! })).not.toEqual([]);
    }
  });

  test('of objects: the bucket and how their keys begin', async () => {
    await passes({
      in: 'o 1s |',
      out: { archive: ['100ms x', { x: { messages: 'o', target: 'logs/other/' } }] },
    });
  });

  test('nothing is written', async () => {
    const base = join(folder, 'not-there');
    const config = await load('', { set: { 'backends.one.base_path': base } });
    await passes({
      config,
      in: 'd 1s |',
      out: { one: ['100ms x', { x: { messages: 'd', target: join(base, 'db.jsonl') } }] },
    });
    await expect(loadConfig(join(base, 'db.jsonl'))).rejects.toThrow('no such file');
  });

  test('waits of a type that are only its tuning are left out, those that are configured are not', async () => {
    const config = await load('', { set: { 'backends.one.batch.max_age': '50ms' } });
    await passes({ config, in: 'd 1s |', out: { one: '150ms d' } });
  });
});

describe('what must be expected', () => {
  test('every batch of every backend, whether the test names it or not', async () => {
    expect((await faultsOf({ in: 'd 1s |' }))[2]).toBe('one  expected');
    await passes({ in: 'd 1s |', ignore: ['one'] });
  });

  test('an ignored backend is compared where something is expected of it', async () => {
    expect(await faultsOf({ in: 'd 1s |', ignore: ['one'], out: { one: 'd' } })).not.toEqual([]);
  });

  test('dead letters and what is shed', async () => {
    const test = { in: 'd 200ms |', backends: { one: 'X' }, out: { one: '100ms d' } };
    expect((await faultsOf(test))[2]).toBe('one dead_letters  expected');
    await passes({ ...test, dead_letters: { one: '100ms d' } });
    await passes({
      ...test,
      dead_letters: { one: ['100ms x', { x: { messages: 'd', reason: 'permanent' } }] },
    });
    expect(
      await faultsOf({
        ...test,
        dead_letters: { one: ['100ms x', { x: { messages: 'd', reason: 'other' } }] },
      }),
    ).not.toEqual([]);
  });

  test('what is delivered and filtered only where the test says so; the order of messages does not count', async () => {
    const test = { in: 'a-m 1s |', backends: { two: '3ms |' }, ignore: ['one'], out: { two: '100ms a' } };
    await passes(test);
    await passes({
      ...test,
      delivered: { two: '103ms a' },
      filtered: { two: '100ms m', archive: ['100ms x', { x: 'ma' }] },
    });
    expect((await faultsOf({ ...test, filtered: { two: '' } }))[2]).toBe('two filtered  expected');
    expect((await faultsOf({ ...test, delivered: { two: '102ms a' } }))[2]).toBe(
      'two delivered  expected          [a]',
    );
  });
});

describe('time', () => {
  test('without | the sidecar runs on; a minute after the last marble is still compared', async () => {
    const done = await proveOf({ in: 'd', out: { one: '100ms d' } });
    expect(done.doneMs).toBeUndefined();
    const slow = { config: await load('', { set: { 'batch.max_age': '59s' } }) };
    expect(await faultsOf({ ...slow, in: 'd' })).not.toEqual([]);
    const slower = { config: await load('', { set: { 'batch.max_age': '61s' } }) };
    await passes({ ...slower, in: 'd' });
    await passes({ ...slower, in: 'd', out: { one: '61s d' } });
  });

  test('of messages is that of the clock, so that none is called skewed; a test may write its own', async () => {
    const path = { 'routing.db[0].config.path': '{date}/{HH}-{mm}.jsonl' };
    const config = await load('', { set: path });
    await passes({
      config,
      in: '2m d 1s |',
      out: { one: ['120100ms x', { x: { messages: 'd', target: '2026-01-01/00-02.jsonl' } }] },
    });
    const messages = { d: { source: 'db', timestamp: '2025-12-31T23:59:00.000Z' } };
    await passes({
      config,
      messages,
      in: 'd 1s |',
      out: { one: ['100ms x', { x: { messages: 'd', target: '2025-12-31/23-59.jsonl' } }] },
    });
  });

  test('days pass at once', async () => {
    const config = await load('', { set: { 'batch.max_age': '20d' } });
    await passes({ config, in: 'd', out: { one: '28800m d' } });
  });
});

describe('reloads', () => {
  const add = { 'routing.db[1]': { backend: 'archive', config: { bucket: 'logs' } } };

  test('a rule that is added takes what is batched from then on; nothing is lost', async () => {
    await passes({
      in: 'd 109ms d 300ms |',
      reload: ['150ms r', { r: add }],
      out: { one: '100ms d 109ms d', archive: '210ms d' },
    });
  });

  test('a reload comes before the messages of its time', async () => {
    await passes({ in: '--x 1s |', reload: ['--r', { r: { 'routing.web': [] } }], out: {} });
    await passes({
      in: '--x 1s |',
      reload: ['---r', { r: { 'routing.web': [] } }],
      out: { one: '--x', two: '--x' },
    });
  });

  test('a file, a text, a loaded configuration', async () => {
    const path = join(folder, 'next.yaml');
    const text = YAML.replace('- backend: one\n  default', '- backend: two\n  default');
    writeFileSync(path, text);
    for (const r of [
      path,
      text,
      await configOf(text),
      await withSettings(await load(), { 'routing.db[0].backend': 'two' }),
    ]) {
      await passes({ in: 'd 1s |', reload: ['r', { r }], out: { two: '100ms d' } });
    }
  });

  test('settings are those of the first configuration, each reload by itself', async () => {
    const reload: MarbleTest['reload'] = [
      'r-s',
      { r: { 'routing.db[0].backend': 'two' }, s: { 'batch.max_age': '50ms' } },
    ];
    await passes({ in: 'd 1s |', reload, out: { one: '50ms d' } });
  });

  test('a backend of the next configuration alone can be expected', async () => {
    const r = {
      'backends.three': { type: 'filesystem', base_path: '/three' },
      'routing.db[0].backend': 'three',
    };
    await passes({ in: 'd 1s |', reload: ['r', { r }], out: { three: '100ms d' } });
  });

  test('that are rejected leave the rules, and must be expected', async () => {
    const test = {
      in: 'd 1s |',
      reload: ['r', { r: { 'routing.db[0].backend': 'on' } }] as MarbleTest['reload'],
      out: { one: '100ms d' },
    };
    expect(await faultsOf(test)).toEqual([
      'reload r at 0: expected applied, was rejected',
      '  --set routing.db[0].backend: unknown backend "on"; did you mean "one"?',
    ]);
    await passes({ ...test, reload_results: { r: 'rejected' } });
    await passes({ ...test, reload_results: { r: { rejected: 'did you mean "one"?' } } });
    expect(await faultsOf({ ...test, reload_results: { r: { rejected: 'other' } } })).toHaveLength(2);
    expect((await faultsOf({ ...test, reload_results: { r: 'unchanged' } }))[0]).toBe(
      'reload r at 0: expected unchanged, was rejected',
    );
  });

  test('a configuration that is well written and cannot run is rejected too', async () => {
    const r = { 'routing.db[0].config.path': '../../etc/passwd' };
    const test = { in: 'd 1s |', reload: ['r', { r }] as MarbleTest['reload'], out: { one: '100ms d' } };
    await passes({ ...test, reload_results: { r: { rejected: 'routing.db[0]' } } });
  });

  test('to the same configuration changes nothing', async () => {
    const test = { in: 'd 1s |', reload: ['r', { r: {} }] as MarbleTest['reload'], out: { one: '100ms d' } };
    await passes({ ...test, reload_results: { r: 'unchanged' } });
    expect(await faultsOf(test)).toEqual(['reload r at 0: expected applied, was unchanged']);
  });
});

describe('backends that are not well', () => {
  test('are tried again; a test knows the pauses', async () => {
    await passes({
      in: 'x 2s |',
      backends: { one: ['#', '#', '|'] },
      out: { one: 'x 99ms x 199ms x', two: 'x' },
    });
    await passes({
      in: 'x 2s |',
      random: 0.5,
      backends: { one: ['#', '|'] },
      out: { one: 'x 49ms x', two: 'x' },
    });
  });

  test('a seed fixes what is drawn', async () => {
    const draw = async (seed: number) => {
      const { sent } = await record(
        await testOf({ in: 'x 2s |', seed, backends: { one: ['#', '#', '#', '|'] } }),
      );
      return sent.map(({ ms }) => ms).join();
    };
    expect(await draw(1)).toBe(await draw(1));
    expect(new Set([await draw(0), await draw(1), await draw(2), await draw(-1)]).size).toBe(4);
  });

  test('a black hole changes nothing for the others', async () => {
    const test = { in: 'a-x 100ms d 200ms b 5s |' };
    const well = await record(await testOf(test));
    const holed = await record(await testOf({ ...test, backends: { one: '-' } }));
    const others = ({ sent }: typeof well) => sent.filter(({ backend }) => backend !== 'one');
    expect(others(holed)).toEqual(others(well));
    expect(others(well)).not.toEqual([]);
  });

  test('while one is down nothing is lost', async () => {
    const down = { from: '0s', to: '1s' };
    await passes({
      in: 'd 5s |',
      backends: { one: { down } },
      out: { one: '100ms d 99ms d 199ms d 399ms d 799ms d' },
    });
  });

  test('a poisoned batch is cut in halves until the poison stands alone', async () => {
    await passes({
      in: '(adxb) 200ms |',
      messages: { a: { source: 'web' }, b: { source: 'web' }, d: { source: 'web' }, x: MESSAGES.x },
      ignore: ['two'],
      backends: { one: { refuses: 'd' } },
      out: { one: ['(opqrs) 93ms b', { o: 'adx', p: 'a', q: 'dx', r: 'd', s: 'x' }] },
      dead_letters: { one: 'd' },
    });
  });

  test('one that throttles is left alone as long as it says', async () => {
    await passes({
      in: 'x 9s |',
      ignore: ['two'],
      backends: { one: { answers: ['T', '|'], throttle: '2s' } },
      out: { one: 'x 1999ms x' },
    });
  });

  test('a rule that blocks stops the reading; what waits is read later, and in order', async () => {
    const set = { 'routing.db[0].when_full': 'block', 'backends.one.queue.max_bytes': '64KiB' };
    const test = {
      config: await load('', { set }),
      in: 'd 10s |',
      repeat: { d: 1000 },
      backends: { one: { down: { from: '0s', to: '3s' } } },
    };
    const { received, ended } = await record(await testOf(test));
    expect(received.filter(({ ms }) => ms === 0).length).toBeLessThan(500);
    expect(received).toHaveLength(1000);
    const delivered = ended.filter(({ backend, ending }) => backend === 'one' && ending === 'delivered');
    expect(delivered.flatMap(({ messages }) => messages)).toHaveLength(1000);
  });

  test('a rule that sheds says what it shed', async () => {
    const set = { 'backends.one.queue.max_bytes': '64KiB' };
    const test = {
      config: await load('', { set }),
      in: 'd 10s |',
      repeat: { d: 1000 },
      backends: { one: '-' },
    };
    const { ended } = await record(await testOf(test));
    const reasons = new Set(ended.filter(({ backend }) => backend === 'one').map(({ reason }) => reason));
    expect(reasons).toEqual(new Set(['queue_full', 'shutdown']));
  });
});

describe('operators', () => {
  const withOperator = async (code: string) => {
    const pipelines = mkdtempSync(join(folder, 'pipelines-'));
    writeFileSync(join(pipelines, 'own.ts'), code);
    return load('', { set: { pipelines, 'routing.db[0].operators': ['own'] } });
  };

  test('run in virtual time, whether they ask for it or not', async () => {
    const config = await withOperator(`
      import { delay } from 'rxjs';
      export default (_options, context) => (message$) => message$.pipe(delay(20), delay(30, context.scheduler));
    `);
    await passes({ config, in: 'd 1s |', out: { one: '150ms d' } });
  });

  test('may change messages, which keep their names; a new one is a ?', async () => {
    const config = await withOperator(`
      import { concatMap } from 'rxjs';
      import { createMessage, withData } from 'monitoring-sidecar';
      export default () => (message$) =>
        message$.pipe(concatMap((message) => [withData(message, { n: 1 }), createMessage({ ...message, id: 'new', head: '{' })]));
    `);
    await passes({ config, in: 'd 1s |', out: { one: ['100ms x', { x: 'd?' }] } });
  });

  test('that throw cost a message, and the log says which file', async () => {
    const config = await withOperator(`
      import { map } from 'rxjs';
      export default () => (message$) => message$.pipe(map(() => { throw new Error('my own fault'); }));
    `);
    const faults = await faultsOf({ config, in: 'd 1s |' });
    expect(faults).toContain('one dead_letters  expected');
    expect(faults.join('\n')).toMatch(/^log: .*my own fault/m);
    expect(faults.join('\n')).toMatch(/^log: .*own\.ts/m);
  });

  test('that never let time pass do not hang the test', async () => {
    const config = await withOperator(`
      import { repeat, of, ignoreElements, merge, delay } from 'rxjs';
      export default () => (message$) => merge(message$, of(0).pipe(delay(0), repeat(), ignoreElements()));
    `);
    expect(await faultsOf({ config, in: 'd 1s |' })).toEqual([
      'virtual time stands still at 100ms: something schedules itself without a delay',
    ]);
  });

  test('that keep a timer for ever do not hang it either', async () => {
    const config = await withOperator(`
      import { interval } from 'rxjs';
      export default () => { interval(1000).subscribe(); return (message$) => message$; };
    `);
    await passes({ config, in: 'd 1s |', out: { one: '100ms d' } });
  });
});

describe('a test that is wrong says where', () => {
  test('diagrams, names, backends: all at once', async () => {
    expect(
      await faultsOf({
        in: 'a 5sz |',
        backends: { one: 'q', two: { refuses: 'k' }, tow: '|' },
        out: { one: ['5s z', { y: 'k' }], too: 'a|' },
        ignore: ['arkive'],
        reload: 'r',
        reload_results: { s: 'applied' },
      }),
    ).toEqual([
      'in: there is no message 5; a time is written with a space after it, as in "5s x"',
      'reload_results.s: there is no reload s',
      'reload: r is given no configuration; write [diagram, { r: … }]',
      'backends.one: an answer ends with one of | accepted, # failed, X refused for good, T throttled; or with none',
      'backends.two.refuses: there is no message k',
      'out.one[1].y: there is no message k',
      'out.one[0]: z is neither given a value here nor a message',
      'out.too: | and # have no meaning here',
      'backends.tow: there is no backend "tow"; did you mean "two"?',
      'out.too: there is no backend "too"; did you mean "two"?',
      'ignore[0]: there is no backend "arkive"; did you mean "archive"?',
    ]);
  });

  test('in messages that cannot be written as JSON', async () => {
    const messages = { a: { source: 'web', data: { n: 1n } }, b: { source: 'web' } };
    expect(await faultsOf({ in: 'a 1s |', messages, out: {} })).toEqual([
      'messages.a: Do not know how to serialize a BigInt',
    ]);
  });

  test('that it proves nothing', async () => {
    const ignore = ['one', 'two', 'archive'];
    expect(await faultsOf({ in: 'a|', ignore })).toEqual([
      'ignore: every backend is ignored, and nothing is expected: it would prove nothing',
    ]);
    const nothing = 'in: no message comes, and nothing is expected: it would prove nothing';
    expect(await faultsOf({ in: '' })).toEqual([nothing]);
    expect(await faultsOf({ in: '5s |', out: {} })).toEqual([nothing]);
    const set = { 'routing.web[0].enabled': false, 'routing.web[1].enabled': false };
    expect(await faultsOf({ in: 'a|', set })).toEqual([]);
    expect(await faultsOf({ in: 'a|', ignore: ['two', 'archive'], out: { one: '-a' } })).toEqual([]);
  });

  test.each([
    [{ in: '#' }, 'in: # has no meaning here; | shuts the sidecar down'],
    [{ in: '(a' }, 'in: ( and ) do not match'],
    [
      { in: 'a|', reload: ['-r', { r: {} }] },
      'reload[0]: a reload at or after the end (| of `in`) is not looked at',
    ],
    [{ in: 'a', reload: ['r|', { r: {} }] }, 'reload[0]: | and # have no meaning here'],
    [
      { in: 'a', out: { one: ['x', { x: [] }] } },
      'out.one[1].x: no messages; leave the letter out where nothing is expected',
    ],
    [
      { in: 'a', out: { one: ['x', { x: 'a*' }] } },
      'out.one[1].x: "a*" is no list of messages, such as ab, [a, b] or m*100',
    ],
    [{ in: 'a', backends: { one: { answers: '#|' } } }, 'backends.one: nothing can follow | or #'],
    [
      { in: 'a', backends: { one: { down: { from: '5s', answer: 'z' } } } },
      'backends.one: an answer ends with one of',
    ],
    [
      { in: 'a', backends: { one: { down: { from: '5s', to: '3s' } } } },
      'backends.one: is never down: `to` must be after `from`',
    ],
    [{ in: 'a', repeat: { k: 3 } }, 'repeat.k: there is no message k'],
    [{ in: 'a', reload_results: { r: 'rejected' } }, 'reload_results.r: there is no reload r'],
  ] as [Partial<MarbleTest> & { in: string }, string][])('%j', async (test, message) => {
    expect((await faultsOf(test))[0]).toContain(message);
  });

  test.each([
    [{ nane: 'x' }, 'nane: unknown key "nane"; did you mean "name"?'],
    [{ in: 5 }, 'in: expected text, not a number'],
    [{ in: undefined }, 'in: is missing; expected text'],
    [{ config: 5 }, 'config: expected the path of a configuration'],
    [
      { messages: { ab: {} } },
      'messages.ab: not a usable name: one character, none of - ( ) | # ^ ! ? * and space',
    ],
    [{ messages: { '-': {} } }, 'messages.-: not a usable name'],
    [{ random: 1 }, 'random: must be less than 1'],
    [{ backends: { one: { down: { from: 3 } } } }, 'backends.one.down'],
    [
      { reload: ['r', { r: 5 }] },
      'reload[1].r: expected a path, the text of a configuration, or settings by their paths',
    ],
    [
      { out: { one: ['x', { x: { mesages: 'a' } }] } },
      'out.one[1].x.mesages: unknown key "mesages"; did you mean "messages"?',
    ],
  ])('%j', async (wrong, message) => {
    const whole = { ...(await testOf({ in: 'a' })), ...wrong } as MarbleTest;
    await expect(prove(whole)).rejects.toThrow(`this test cannot be run\n`);
    await expect(prove(whole)).rejects.toThrow(message);
  });
});

describe('what is wrong with the configuration is said as the sidecar says it', () => {
  test('each error with its place', async () => {
    const path = join(folder, 'bad.yaml');
    writeFileSync(path, YAML.replace('backend: two', 'backend: tow'));
    const reason = `${path}:7:16 routing.web[1].backend: unknown backend "tow"; did you mean "two"?`;
    await expect(loadConfig(path)).rejects.toThrow(reason);
    expect(await faultsOf({ config: path, in: 'a' })).toEqual([reason]);
  });

  test('a file that is not there', async () => {
    const path = join(folder, 'none.yaml');
    await expect(loadConfig(path)).rejects.toThrow(`${path}: cannot read the file: no such file`);
    expect(await faultsOf({ config: path, in: 'a' })).toEqual([
      `${path}: cannot read the file: no such file`,
    ]);
  });

  test('a test that is wrong is told first', async () => {
    expect(await faultsOf({ config: join(folder, 'none.yaml'), in: 'zz' })).toEqual([
      'in: there is no message z',
    ]);
  });

  test('settings of a test are named as such', async () => {
    expect(await faultsOf({ set: { 'batch.max_age': 5 }, in: 'a' })).toEqual([
      '--set batch.max_age: expected a duration such as 500ms, 5s, 1m, 2h or 1d; a number needs its unit, as in 5s',
    ]);
    await passes({ set: { 'batch.max_age': '7ms' }, in: 'd', out: { one: '7ms d' } });
  });

  test('a configuration that cannot run', async () => {
    const config = await load('', { set: { 'routing.db[0].config.path': '/etc/passwd' } });
    const faults = await faultsOf({ config, in: 'd' });
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(/^routing\.db\[0\]: .*outside base_path/);
  });

  test('the environment is what the test says, and nothing else', async () => {
    const path = join(folder, 'env.yaml');
    writeFileSync(path, YAML.replace('/logs/two', '"$' + '{PLACE}"'));
    await expect(loadConfig(path)).rejects.toThrow('the environment variable PLACE is not set');
    const out = {
      one: '100ms a',
      two: ['100ms x', { x: { messages: 'a', target: '/p/events/web.jsonl' } }],
    } as MarbleTest['out'];
    await passes({ config: path, env: { PLACE: '/p' }, in: 'a 1s |', out: out! });
    await passes({ config: await loadConfig(path, { env: { PLACE: '/p' } }), in: 'a 1s |', out: out! });
  });
});

describe('prove and record', () => {
  test('resolve to what happened, the same every time', async () => {
    const test = {
      in: 'a-b 200ms |',
      out: { one: ['100ms x', { x: 'ab' }], two: ['100ms x', { x: 'ab' }] },
    } as const;
    const recording = await proveOf(test as never);
    expect(recording).toMatchObject({
      received: [
        { ms: 0, message: 'a' },
        { ms: 2, message: 'b' },
      ],
      refused: [],
      sent: [
        { ms: 100, backend: 'one', target: '/logs/web.jsonl', messages: ['a', 'b'] },
        { ms: 100, backend: 'two', target: '/logs/two/events/web.jsonl', messages: ['a', 'b'] },
      ],
      reloads: [],
      log: [],
      backends: ['one', 'two', 'archive'],
      doneMs: 203,
    });
    expect(await record(await testOf(test as never))).toEqual(recording);
  });

  test('the name of the machine does not count in the size of a message', async () => {
    const bounds = { 'batch.max_bytes': '2KiB', 'batch.max_age': '1m', 'routing.all': [{ backend: 'one' }] };
    for (let length = 100; length < 150; length++) {
      const messages = { d: { source: 'db', data: { text: 'x'.repeat(length) } } };
      const test = { messages, in: 'd |', repeat: { d: 50 } };
      const here = await record({ ...test, config: await load('', { set: bounds }) });
      const named = { ...bounds, 'enrich.host': 'sidecar' };
      expect(await record({ ...test, config: await load('', { set: named }) })).toEqual(here);
    }
  });

  test('record compares nothing, but rejects a test that cannot be run', async () => {
    expect((await record(await testOf({ in: 'd 1s |' }))).sent).toHaveLength(1);
    await expect(record(await testOf({ in: 'z' }))).rejects.toThrow(MarbleTestError);
  });

  test('the error is called after the test', async () => {
    await expect(proveOf({ name: 'my routes', in: 'd 1s |' })).rejects.toThrow(/^my routes\n/);
    await expect(proveOf({ in: 'd 1s |' })).rejects.toMatchObject({ name: 'MarbleTestError' });
  });

  test('a message that the sidecar does not take fails the test', async () => {
    expect(await faultsOf({ messages: { a: { source: 5 } }, in: '-a' })).toEqual([
      'message a at 1ms: the sidecar does not take it: its source or type is not usable, or its data is no map',
      'log: warn: ingest: a record is not as it must be and was discarded reason="schema" cause="its source is not 1 to 128 printable characters"',
    ]);
    const long = { a: { source: 'web', data: { message: 'x'.repeat(2 ** 21) } } };
    expect((await faultsOf({ messages: long, in: 'a' }))[0]).toBe(
      'message a at 0: the sidecar does not take it: too_large',
    );
  });

  test('a message has a source, a type and a text where its author gives none', async () => {
    const config = await load('', {
      set: {
        'routing.test': [
          { backend: 'one', filter: { types: ['event'], levels: ['info'], match: { 'data.message': 'k' } } },
        ],
      },
    });
    await passes({ config, messages: { k: {} }, in: 'k 1s |', out: { one: '100ms k' } });
  });
});
