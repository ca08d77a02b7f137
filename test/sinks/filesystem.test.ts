import { existsSync } from 'node:fs';
import {
  appendFile,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { ndjsonOf } from '../../src/batch.ts';
import { Permanent } from '../../src/deliver/sink.ts';
import {
  batch,
  close,
  eventually,
  ids,
  idsIn,
  mergeBatches,
  message,
  openFiles,
  openIn,
  send,
  sinkContext,
  tempDir,
} from './support.ts';

describe('appending', () => {
  test('batches follow each other as JSON Lines, byte for byte', async () => {
    const dir = await tempDir();
    const sink = openFiles(dir);
    const sent = [batch(3), batch(1), batch(100)];
    for (const one of sent) await send(sink, one);
    expect(await readFile(join(dir, 'web.jsonl'))).toEqual(Buffer.concat(sent.map(ndjsonOf)));
  });

  test('what is accepted has a receipt: its file, and where in it', async () => {
    const base = await tempDir();
    const sink = openFiles(base);
    const path = join(base, 'web.jsonl');
    expect(await send(sink, batch())).toEqual({ place: `${path} from byte 0` });
    const size = (await stat(path)).size;
    expect(await send(sink, batch())).toEqual({ place: `${path} from byte ${size}` });
  });

  test('sends that overlap keep their order', async () => {
    const dir = await tempDir();
    const sink = openFiles(dir);
    const sent = Array.from({ length: 50 }, () => batch(7));
    await Promise.all(sent.map((one) => send(sink, one)));
    expect(await idsIn(join(dir, 'web.jsonl'))).toEqual(ids(...sent));
  });

  test('what was there before stays', async () => {
    const dir = await tempDir();
    const first = batch(2);
    const one = openFiles(dir);
    await send(one, first);
    await close(one);
    const second = batch(2);
    await send(openFiles(dir), second);
    expect(await idsIn(join(dir, 'web.jsonl'))).toEqual(ids(first, second));
  });

  test('merged batches of several sources share a file', async () => {
    const dir = await tempDir();
    const merged = mergeBatches([batch(2, { source: 'a' }), batch(2, { source: 'b' })]);
    await send(openFiles(dir, { path: 'all.jsonl' }), merged);
    expect(await idsIn(join(dir, 'all.jsonl'))).toEqual(ids(merged));
  });

  test('lines in any script and with any escape', async () => {
    const dir = await tempDir();
    const sent = batch(1, {}, { message: 'zwölf\u2028\n\0 \u{1f600} \\ "' });
    await send(openFiles(dir), sent);
    const text = await readFile(join(dir, 'web.jsonl'), 'utf8');
    expect(JSON.parse(text).data.message).toBe('zwölf\u2028\n\0 \u{1f600} \\ "');
    expect(text.split('\n')).toHaveLength(2);
  });

  test('a new file and its folder get the permissions of `mode`', async () => {
    const dir = await tempDir();
    await send(openFiles(dir, { path: 'a/b/{source}.jsonl', mode: '0640' }), batch());
    const umask = process.umask();
    expect((await stat(join(dir, 'a/b/web.jsonl'))).mode & 0o777).toBe(0o640 & ~umask);
    expect((await stat(join(dir, 'a/b'))).mode & 0o777).toBe(0o750 & ~umask);
  });

  test('nothing is opened before the first send', async () => {
    const dir = await tempDir();
    const sink = openFiles(join(dir, 'later'));
    sink.address({}).target(message());
    await close(sink);
    expect(await readdir(dir)).toEqual([]);
  });
});

describe('files that change under us', () => {
  test('renamed: a new file is started, the old one is left alone', async () => {
    const dir = await tempDir();
    const context = sinkContext();
    const sink = openFiles(dir, {}, context);
    const sent = [batch(2), batch(2), batch(1)];
    await send(sink, sent[0]!);
    await rename(join(dir, 'web.jsonl'), join(dir, 'old'));
    await send(sink, sent[1]!);
    await send(sink, sent[2]!);
    expect(await idsIn(join(dir, 'old'))).toEqual(ids(sent[0]!));
    expect(await idsIn(join(dir, 'web.jsonl'))).toEqual(ids(sent[1]!, sent[2]!));
    expect(context.lines.map(({ message }) => message)).toEqual([
      'the file was moved or deleted; a new one is started',
    ]);
  });

  test('deleted, with its folders', async () => {
    const dir = await tempDir();
    const sink = openFiles(dir, { path: 'a/b/x.jsonl' });
    await send(sink, batch());
    await rm(join(dir, 'a'), { recursive: true });
    const sent = batch();
    await send(sink, sent);
    expect(await idsIn(join(dir, 'a/b/x.jsonl'))).toEqual(ids(sent));
  });

  test('replaced by another file', async () => {
    const dir = await tempDir();
    const sink = openFiles(dir);
    await send(sink, batch());
    await writeFile(join(dir, 'new'), '{"id":"theirs"}\n');
    await rename(join(dir, 'new'), join(dir, 'web.jsonl'));
    const sent = batch();
    await send(sink, sent);
    expect(await idsIn(join(dir, 'web.jsonl'))).toEqual(['theirs', ...ids(sent)]);
  });

  test('truncated, as logrotate does with copytruncate', async () => {
    const dir = await tempDir();
    const sink = openFiles(dir);
    await send(sink, batch(5));
    await truncate(join(dir, 'web.jsonl'));
    const sent = batch(5);
    await send(sink, sent);
    expect(await readFile(join(dir, 'web.jsonl'))).toEqual(ndjsonOf(sent));
  });

  test('appended to by another process', async () => {
    const dir = await tempDir();
    const sink = openFiles(dir);
    const sent = [batch(), batch()];
    await send(sink, sent[0]!);
    await appendFile(join(dir, 'web.jsonl'), '{"id":"theirs"}\n');
    await send(sink, sent[1]!);
    expect(await idsIn(join(dir, 'web.jsonl'))).toEqual([...ids(sent[0]!), 'theirs', ...ids(sent[1]!)]);
  });

  test('renamed again and again while it is written: every line is in exactly one of them', async () => {
    const dir = await tempDir();
    const sink = openFiles(dir);
    const sent = Array.from({ length: 200 }, () => batch(20));
    const sending = (async () => {
      for (const one of sent) await send(sink, one);
    })();
    let done = false;
    void sending.finally(() => {
      done = true;
    });
    for (let n = 0; !done; n++) {
      await rename(join(dir, 'web.jsonl'), join(dir, `moved-${n}`)).catch(() => undefined);
      await new Promise((next) => setTimeout(next, 2));
    }
    await sending;
    const found = await Promise.all((await readdir(dir)).map((name) => idsIn(join(dir, name))));
    expect(found.flat().sort()).toEqual(ids(...sent).sort());
  });

  test('two writers: whole lines of both, none lost', async () => {
    const dir = await tempDir();
    const sinks = [openFiles(dir), openFiles(dir)];
    const sent = Array.from({ length: 100 }, (_, n) => batch(n % 2 === 0 ? 500 : 3));
    await Promise.all(sent.map((one, n) => send(sinks[n % 2]!, one)));
    expect((await idsIn(join(dir, 'web.jsonl'))).sort()).toEqual(ids(...sent).sort());
  });
});

describe('a torn tail', () => {
  test('that a crash left is ended with a newline, told once, and costs nothing but itself', async () => {
    const dir = await tempDir();
    const path = join(dir, 'web.jsonl');
    await writeFile(path, '{"id":"whole"}\n{"id":"to');
    const context = sinkContext();
    const sink = openFiles(dir, {}, context);
    const sent = [batch(2), batch(2)];
    for (const one of sent) await send(sink, one);
    const lines = (await readFile(path, 'utf8')).split('\n');
    expect(lines.slice(0, 2)).toEqual(['{"id":"whole"}', '{"id":"to']);
    expect(lines.slice(2).join('\n')).toBe(Buffer.concat(sent.map(ndjsonOf)).toString());
    expect(context.lines).toMatchObject([{ level: 'warn', fields: { backend: 'files', path } }]);
  });

  test('a file that ends whole, and an empty one, are not touched', async () => {
    const dir = await tempDir();
    await writeFile(join(dir, 'a.jsonl'), '{"id":"a"}\n');
    await writeFile(join(dir, 'b.jsonl'), '');
    const context = sinkContext();
    const sink = openFiles(dir, {}, context);
    const [a, b] = [batch(1, { source: 'a' }), batch(1, { source: 'b' })];
    await send(sink, a);
    await send(sink, b);
    expect(await readFile(join(dir, 'a.jsonl'), 'utf8')).toBe(`{"id":"a"}\n${ndjsonOf(a)}`);
    expect(await readFile(join(dir, 'b.jsonl'))).toEqual(ndjsonOf(b));
    expect(context.lines).toEqual([]);
  });
});

describe('base_path', () => {
  test('is made if it is missing', async () => {
    const base = join(await tempDir(), 'a/b/c');
    await send(openFiles(base), batch());
    expect(existsSync(join(base, 'web.jsonl'))).toBe(true);
  });

  test('is waited for with create_base_path: false', async () => {
    const base = join(await tempDir(), 'mnt');
    const sink = openFiles(base, { create_base_path: false, path: 'a/{source}' });
    const sending = send(sink, batch());
    await expect(sending).rejects.toThrow('is missing; it is not made, as create_base_path is false');
    await expect(sending).rejects.not.toBeInstanceOf(Permanent);
    expect(existsSync(base)).toBe(false);
    await mkdir(base);
    await send(sink, batch());
    expect(existsSync(join(base, 'a/web'))).toBe(true);
  });
});

describe('base_path is waited for', () => {
  test('where a file stands in its place, from the start or later', async () => {
    const base = join(await tempDir(), 'logs');
    const sink = openFiles(base);
    const refused = async () => {
      const sending = send(sink, batch());
      await expect(sending).rejects.toThrow(`base_path '${base}' cannot be used: it is not a folder`);
      await expect(sending).rejects.not.toBeInstanceOf(Permanent);
    };
    await writeFile(base, '');
    await refused();
    await rm(base);
    await send(sink, batch());
    await rename(base, `${base}.away`);
    await writeFile(base, '');
    await refused();
    await rm(base);
    await send(sink, batch());
    expect(await idsIn(join(base, 'web.jsonl'))).toHaveLength(1);
  });

  test('where a folder above it is a file or a link in a circle', async () => {
    const above = join(await tempDir(), 'mnt');
    const sink = openFiles(join(above, 'logs'));
    await writeFile(above, '');
    await expect(send(sink, batch())).rejects.not.toBeInstanceOf(Permanent);
    await rm(above);
    await symlink(above, above);
    await expect(send(sink, batch())).rejects.not.toBeInstanceOf(Permanent);
    await rm(above);
    await send(sink, batch());
  });
});

describe('max_open_files', () => {
  test('10,000 sources share 16 descriptors and all arrive', async () => {
    const dir = await tempDir();
    const sink = openFiles(dir, { max_open_files: 16 });
    const sources = Array.from({ length: 10_000 }, (_, n) => `s${n}`);
    let most = 0;
    for (let at = 0; at < sources.length; at += 8) {
      await Promise.all(sources.slice(at, at + 8).map((source) => send(sink, batch(1, { source }))));
      if (at % 500 === 0) most = Math.max(most, (await openIn(dir)).length);
    }
    expect(most).toBeLessThanOrEqual(24);
    await close(sink);
    expect((await readdir(dir)).length).toBe(10_000);
    expect(await openIn(dir)).toEqual([]);
  }, 60_000);

  test('the least recently used is closed; coming back to it appends', async () => {
    const dir = await tempDir();
    const sink = openFiles(dir, { max_open_files: 2 });
    const sent = ['a', 'b', 'a', 'c', 'a', 'b'].map((source) => batch(1, { source }));
    for (const one of sent) await send(sink, one);
    for (const source of ['a', 'b', 'c']) {
      expect(await idsIn(join(dir, `${source}.jsonl`))).toEqual(
        ids(...sent.filter((one) => one.source === source)),
      );
    }
    await eventually(async () => expect(await openIn(dir)).toEqual(['a.jsonl', 'b.jsonl']));
    await send(sink, batch(1, { source: 'a' }));
    await send(sink, batch(1, { source: 'c' }));
    await eventually(async () => expect(await openIn(dir)).toEqual(['a.jsonl', 'c.jsonl']));
  });
});

test('close waits for what is being sent, and a closed sink holds no file', async () => {
  const dir = await tempDir();
  const sink = openFiles(dir);
  const sent = batch(1_000);
  const sending = send(sink, sent);
  await close(sink);
  expect(await idsIn(join(dir, 'web.jsonl'))).toEqual(ids(sent));
  await sending;
});
