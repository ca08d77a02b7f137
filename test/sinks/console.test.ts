import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { createBatch, ndjsonOf } from '../../src/batch.ts';
import { Permanent } from '../../src/deliver/sink.ts';
import consoleSink, { openScreen } from '../../src/sinks/console.ts';
import { afterwards, batch, close, message, send, sinkContext, tempDir } from './support.ts';

const program = fileURLToPath(new URL('./programs/print.ts', import.meta.url));
const node = `"${process.execPath}" --import jiti/register "${program}"`;

/** A sink that prints to a file, as if it were a terminal or not. */
async function screen(options: object = {}, seen: { terminal?: boolean; colour?: boolean } = {}) {
  const path = join(await tempDir(), 'out');
  const fd = openSync(path, 'a');
  afterwards(() => closeSync(fd));
  const settings = consoleSink.options.parse(options);
  const sink = openScreen(settings, { fd, terminal: false, colour: false, ...seen }, sinkContext());
  return { sink, text: () => readFileSync(path, 'utf8') };
}

/** Both ends of a pipe; closed after the test. */
async function pipe(flags = 0) {
  const path = join(await tempDir(), 'pipe');
  execFileSync('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(path, constants.O_WRONLY | flags);
  afterwards(() => closeSync(writer));
  return { reader, writer };
}

describe('format', () => {
  const warning = (severity = 4) => message({ severity }, { level: 'warn', message: 'careful \u202e' });
  const one = (...messages: readonly ReturnType<typeof message>[]) => createBatch(messages, 1, 'count');

  test('auto off a terminal is JSON Lines, byte for byte', async () => {
    const { sink, text } = await screen();
    const sent = [batch(3), one(warning())];
    for (const each of sent) await send(sink, each);
    expect(text()).toBe(Buffer.concat(sent.map(ndjsonOf)).toString());
  });

  test('auto on a terminal is for people', async () => {
    const { sink, text } = await screen({}, { terminal: true });
    await send(sink, one(warning(), warning(5)));
    expect(text()).toBe(
      '10:30:45.123 WARN     web  careful \\u202e\n10:30:45.123 ERROR    web  careful \\u202e\n',
    );
  });

  test('colours where they are wanted', async () => {
    const { sink, text } = await screen({}, { terminal: true, colour: true });
    await send(sink, one(warning()));
    expect(text()).toMatch('\x1b[33mWARN    \x1b[39m');
  });

  test('human off a terminal has no colours', async () => {
    const { sink, text } = await screen({ format: 'human' });
    await send(sink, one(warning()));
    expect(text()).toMatch(/^10:30:45\.123 WARN {5}web {2}careful/);
  });

  test('json on a terminal is JSON that shows what it hides', async () => {
    const { sink, text } = await screen({ format: 'json' }, { terminal: true });
    await send(sink, one(warning()));
    expect(text()).toMatch('careful \\u202e');
    expect(JSON.parse(text()).data.message).toBe('careful \u202e');
  });

  test.each(['human', 'json'])('level hides lower events, and only events (%s)', async (format) => {
    const { sink, text } = await screen({ format, level: 'error' });
    await send(sink, one(warning(4), warning(5), message({ type: 'metric' }, { name: 'm' })));
    await send(sink, one(warning(3)));
    expect(text().split('\n')).toHaveLength(3);
    expect(text()).toMatch(format === 'json' ? '"type":"metric"' : 'METRIC');
  });
});

test('all sources share one target', async () => {
  const { sink } = await screen();
  const address = sink.address({});
  expect(address.perMessage).toBe(false);
  expect(address.target(message({ source: 'a' }))).toBe(address.target(message({ source: 'b' })));
  expect(await close(sink)).toBe('closed');
});

describe('a reader', () => {
  const json = consoleSink.options.parse({ format: 'json' });

  /** Takes all there is to read; closes at the end of what was written. */
  const readAll = (fd: number) => {
    const chunk = Buffer.alloc(65_536);
    let text = '';
    try {
      for (let length = readSync(fd, chunk); length > 0; length = readSync(fd, chunk)) {
        text += chunk.toString('utf8', 0, length);
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    }
    return text;
  };

  test.each([
    ['a pipe', 0],
    ['a pipe that somebody set to non-blocking', constants.O_NONBLOCK],
  ])('that pauses holds up the send and loses nothing: %s', async (_, flags) => {
    const { reader, writer } = await pipe(flags);
    afterwards(() => closeSync(reader));
    const sink = openScreen(json, { fd: writer, terminal: false, colour: false }, sinkContext());
    const sent = batch(2_000);
    let done = false;
    const sending = send(sink, sent).finally(() => {
      done = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(done).toBe(false);
    let text = '';
    while (!done) {
      text += readAll(reader);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await sending;
    expect(text + readAll(reader)).toBe(ndjsonOf(sent).toString());
  });

  test('that has gone: another one may come', async () => {
    const { reader, writer } = await pipe();
    closeSync(reader);
    const sink = openScreen(json, { fd: writer, terminal: false, colour: false }, sinkContext());
    const sending = send(sink, batch());
    await expect(sending).rejects.toThrow('nobody reads the output any more');
    await expect(sending).rejects.not.toBeInstanceOf(Permanent);
  });

  test('another error may pass', async () => {
    const fd = openSync('/dev/full', 'a');
    afterwards(() => closeSync(fd));
    const sink = openScreen(json, { fd, terminal: false, colour: false }, sinkContext());
    const sending = send(sink, batch());
    await expect(sending).rejects.toThrow('ENOSPC');
    await expect(sending).rejects.not.toBeInstanceOf(Permanent);
  });

  test('a send that waits its turn and is unsubscribed is not printed', async () => {
    const { sink, text } = await screen();
    const [first, second] = [batch(), batch()];
    const sending = send(sink, first);
    sink.send(second, { key: 'console' }).subscribe().unsubscribe();
    await sending;
    await send(sink, first);
    expect(text()).toBe(`${ndjsonOf(first)}${ndjsonOf(first)}`);
  });
});

describe('a real process', () => {
  test('prints JSON into a pipe', () => {
    const { stdout } = spawnSync('sh', ['-c', `${node} '{}' 3 | cat`]);
    expect(
      stdout
        .toString()
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).id),
    ).toEqual(['0', '1', '2']);
  });

  test('survives `| head`', () => {
    const { stdout, stderr, status } = spawnSync('bash', [
      '-c',
      `set -o pipefail; ${node} '{}' 100000 | head -n 1`,
    ]);
    expect(stdout.toString().trim().split('\n')).toHaveLength(1);
    expect(stderr.toString()).toMatch(/^\d+ Error: nobody reads the output any more\n$/);
    expect(status).toBe(0);
  });

  test('prints to stderr if told so', () => {
    const { stdout, stderr } = spawnSync('sh', ['-c', `${node} '{"stream":"stderr"}' 1`]);
    expect(stdout.toString()).toBe('');
    expect(JSON.parse(stderr.toString()).id).toBe('0');
  });

  const hasScript = spawnSync('script', ['--version']).status === 0;
  const onTerminal = (env: NodeJS.ProcessEnv) => {
    // A CI's log is no colourful terminal either, as Node sees it.
    const { NO_COLOR, FORCE_COLOR, CI, ...rest } = process.env;
    const { stdout } = spawnSync('script', ['-qec', `${node} '{}' 1`, '/dev/null'], {
      env: { ...rest, TERM: 'xterm-256color', ...env },
    });
    return stdout.toString();
  };

  (hasScript ? test : test.skip)('is colourful on a terminal, and safe', () => {
    const text = onTerminal({});
    expect(text).toMatch('\x1b[33mWARN    \x1b[39m');
    expect(text).toMatch('number 0 \\u202e');
    expect(text).not.toMatch('\u202e');
  });

  (hasScript ? test : test.skip)('keeps to NO_COLOR', () => {
    expect(onTerminal({ NO_COLOR: '1' })).toMatch(/^00:00:00\.000 WARN {5}web {2}number 0/);
  });
});
