import { execFileSync } from 'node:child_process';
import { chmod, lstat, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { lastValueFrom } from 'rxjs';
import { Permanent } from '../../src/deliver/sink.ts';
import { compilePath } from '../../src/sinks/filesystem/path.ts';
import { rotatedOf } from '../../src/sinks/filesystem/rotated.ts';
import filesystem from '../../src/sinks/filesystem.ts';
import { batch, ids, idsIn, message, openFiles, send, tempDir } from './support.ts';

describe('path', () => {
  test('the example of the manual: a rule names a file inside base_path', async () => {
    const base = join(await tempDir(), 'mnt/nas/logs');
    const path = join(base, 'queue-service.jsonl');
    const sent = batch(1, { source: 'queue-service' });
    await send(openFiles(base), sent, { path });
    expect(await idsIn(path)).toEqual(ids(sent));
  });

  test('the default is one file a source', async () => {
    const dir = await tempDir();
    const sink = openFiles(dir);
    expect(sink.address({}).perMessage).toBe(false);
    await send(sink, batch(1, { source: 'a' }));
    await send(sink, batch(1, { source: 'b' }));
    expect((await readdir(dir)).sort()).toEqual(['a.jsonl', 'b.jsonl']);
  });

  test('a template of a rule replaces that of the backend', async () => {
    const dir = await tempDir();
    const sink = openFiles(dir, { path: 'x.jsonl' });
    await send(sink, batch(1, { jobId: 'j/1' }), { path: '{date}/{source}/{job_id}.jsonl' });
    expect(await readdir(join(dir, '2025-10-20/web'))).toEqual(['j%2F1.jsonl']);
    expect(sink.address({ path: '{type}' }).perMessage).toBe(true);
  });

  test.each([
    '../x.jsonl',
    '/etc/passwd',
    '/mnt/nas/logs-of-others/x.jsonl',
    '/mnt/nas',
    'a/../../x.jsonl',
    '{source}/../../{source}.jsonl',
    '..',
  ])('%s is outside base_path', (path) => {
    expect(() => compilePath('/mnt/nas/logs', path)).toThrow(
      `path "${path}" is outside base_path "/mnt/nas/logs"; name a file inside it`,
    );
  });

  test.each(['.', '', './', 'a/', '{source}/', '/mnt/nas/logs', '/mnt/nas/logs/', 'a/..'])(
    '%j is a folder',
    (path) => {
      expect(() => compilePath('/mnt/nas/logs', path)).toThrow('names a folder; add a file name');
    },
  );

  test('a NUL is refused', () => {
    expect(() => compilePath('/mnt', 'a\0b')).toThrow('has a NUL character');
  });

  test.each([
    ['a/../b.jsonl', '/mnt/b.jsonl'],
    ['./b.jsonl', '/mnt/b.jsonl'],
    ['/mnt/b.jsonl', '/mnt/b.jsonl'],
    ['/mnt/../mnt/{source}.jsonl', '/mnt/web.jsonl'],
    ['..b', '/mnt/..b'],
    ['{source}', '/mnt/web'],
  ])('%s is %s', (path, key) => expect(compilePath('/mnt', path).target(message()).key).toBe(key));

  test('a field in base_path is no field', () => {
    expect(compilePath('/mnt/{x}', '{source}').target(message()).key).toBe('/mnt/{x}/web');
  });

  test('the options name the path that leaves base_path', () => {
    const checked = filesystem.options.safeParse({ base_path: '/mnt/nas/logs', path: '../x' });
    expect(checked.error?.issues).toMatchObject([
      { path: ['path'], message: expect.stringMatching('outside') },
    ]);
  });

  test('a rule whose path leaves base_path cannot be compiled', async () => {
    const sink = openFiles(await tempDir());
    expect(() => sink.address({ path: '/etc/passwd' })).toThrow('outside base_path');
  });

  test('any values give one file inside base_path, and different values different files', () => {
    const value = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.string({
        unit: fc.constantFrom('../', '%2E', '.', '/', 'a', '.20250101T000000Z', '-1', '.gz', '.tmp', '\0'),
        maxLength: 8,
      }),
    );
    const path = fc.constantFrom(
      '{source}',
      '{source}.jsonl',
      'a.{source}',
      '{source}/{job_id}',
      '{job_id}.{source}.gz',
    );
    fc.assert(
      fc.property(path, value, value, value, (text, a, b, jobId) => {
        const address = compilePath('/mnt/nas', text);
        const keys = [a, b].map((source) => address.target(message({ source, jobId })).key);
        for (const key of keys) {
          expect(resolve(key)).toBe(key);
          expect(relative('/mnt/nas', key)).toMatch(/^[^/.][^/]*(\/[^/.][^/]*)?$/);
          expect(rotatedOf(basename(key))).toBeUndefined();
        }
        expect(keys[0] === keys[1]).toBe(a === b);
      }),
      { numRuns: 5_000 },
    );
  });

  test('../../etc/passwd as a source is a file like any other', async () => {
    const dir = await tempDir();
    const base = join(dir, 'a/b');
    const sent = batch(1, { source: '../../etc/passwd' });
    await send(openFiles(base), sent);
    expect(await readdir(dir)).toEqual(['a']);
    expect(await idsIn(join(base, '%2E%2E%2F.%2E%2Fetc%2Fpasswd.jsonl'))).toEqual(ids(sent));
  });
});

describe('symbolic links', () => {
  async function inAndOut() {
    const dir = await tempDir();
    const base = join(dir, 'base');
    const outside = join(dir, 'outside');
    await mkdir(base);
    await mkdir(outside);
    return { dir, base, outside };
  }

  test('a folder that leads out of base_path is refused for good, and nothing is made there', async () => {
    const { base, outside } = await inAndOut();
    await symlink(outside, join(base, 'link'));
    const sink = openFiles(base);
    for (const path of ['link/{source}.jsonl', 'link/new/{source}.jsonl']) {
      const sending = send(sink, batch(), { path });
      await expect(sending).rejects.toThrow(Permanent);
      await expect(sending).rejects.toThrow('outside base_path; remove the symbolic link');
    }
    expect(await readdir(outside)).toEqual([]);
  });

  test('a file that leads out is refused, whether its target is there or not', async () => {
    const { base, outside } = await inAndOut();
    await writeFile(join(outside, 'there'), 'untouched');
    await symlink(join(outside, 'there'), join(base, 'a.jsonl'));
    await symlink(join(outside, 'absent'), join(base, 'b.jsonl'));
    await symlink('nowhere', join(base, 'folder'));
    const sink = openFiles(base);
    await expect(send(sink, batch(1, { source: 'a' }))).rejects.toThrow(Permanent);
    await expect(send(sink, batch(1, { source: 'b' }))).rejects.toThrow(Permanent);
    await expect(send(sink, batch(), { path: 'folder/x.jsonl' })).rejects.toThrow('leads nowhere');
    expect(await readFile(join(outside, 'there'), 'utf8')).toBe('untouched');
    expect(await readdir(outside)).toEqual(['there']);
  });

  test('a link that is turned outwards later is noticed', async () => {
    const { base, outside } = await inAndOut();
    await mkdir(join(base, 'real'));
    await symlink('real', join(base, 'link'));
    const sink = openFiles(base, { path: 'link/x.jsonl' });
    await send(sink, batch());
    await rm(join(base, 'link'));
    await symlink(outside, join(base, 'link'));
    await expect(send(sink, batch())).rejects.toThrow(Permanent);
    expect(await readdir(outside)).toEqual([]);
  });

  test('links inside base_path, and base_path itself as a link, are followed', async () => {
    const { dir, base } = await inAndOut();
    await mkdir(join(base, 'real'));
    await symlink('real', join(base, 'link'));
    await writeFile(join(base, 'file'), '');
    await symlink('../file', join(base, 'real/current.jsonl'));
    await symlink(base, join(dir, 'mount'));
    const sent = [batch(), batch()];
    const sink = openFiles(join(dir, 'mount'));
    await send(sink, sent[0]!, { path: 'link/new/x.jsonl' });
    await send(sink, sent[1]!, { path: 'link/current.jsonl' });
    expect(await idsIn(join(base, 'real/new/x.jsonl'))).toEqual(ids(sent[0]!));
    expect(await idsIn(join(base, 'file'))).toEqual(ids(sent[1]!));
    expect((await lstat(join(base, 'real/current.jsonl'))).isSymbolicLink()).toBe(true);
  });
});

describe('names that can never be written are refused for good', () => {
  test.each(['/elsewhere/web.jsonl', '../web.jsonl', '.', 'monitoring_events'])(
    '%s, which is no file of this backend',
    async (key) => {
      const base = await tempDir();
      const sending = lastValueFrom(openFiles(base).send(batch(), { key }), { defaultValue: undefined });
      await expect(sending).rejects.toThrow(Permanent);
      await expect(sending).rejects.toThrow(`'${key}' is not in base_path '${base}'`);
      expect(await readdir(base)).toEqual([]);
    },
  );

  test('a folder', async () => {
    const dir = await tempDir();
    await mkdir(join(dir, 'web.jsonl'));
    await expect(send(openFiles(dir), batch())).rejects.toThrow(Permanent);
  });

  test('a file where a folder should be', async () => {
    const dir = await tempDir();
    await writeFile(join(dir, 'web'), '');
    await expect(send(openFiles(dir, { path: '{source}/x' }), batch())).rejects.toThrow(Permanent);
  });

  test('too long a name', async () => {
    const sending = send(openFiles(await tempDir(), { path: 'x'.repeat(300) }), batch());
    await expect(sending).rejects.toThrow(/ENAMETOOLONG.*xxx/);
    await expect(sending).rejects.toThrow(Permanent);
  });

  test('a link to itself', async () => {
    const dir = await tempDir();
    await symlink('web.jsonl', join(dir, 'web.jsonl'));
    await expect(send(openFiles(dir), batch())).rejects.toThrow(Permanent);
  });

  test('a pipe, without waiting for its reader', async () => {
    const dir = await tempDir();
    execFileSync('mkfifo', [join(dir, 'web.jsonl')]);
    await expect(send(openFiles(dir), batch())).rejects.toThrow('is not a regular file');
    await expect(send(openFiles(dir), batch())).rejects.toThrow(Permanent);
  });

  test('a device', async () => {
    await expect(send(openFiles('/dev'), batch(), { path: 'null' })).rejects.toThrow('is not a regular file');
  });

  test('the others are not disturbed', async () => {
    const dir = await tempDir();
    await mkdir(join(dir, 'bad.jsonl'));
    const sink = openFiles(dir);
    const good = batch(1, { source: 'good' });
    const results = await Promise.allSettled([send(sink, batch(1, { source: 'bad' })), send(sink, good)]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    expect(await idsIn(join(dir, 'good.jsonl'))).toEqual(ids(good));
  });
});

describe('permissions', () => {
  /** Permissions do not bind the superuser. */
  const asNobody = async (task: () => Promise<void>) => {
    const superuser = process.geteuid!() === 0;
    if (superuser) process.seteuid!(65_534);
    try {
      await task();
    } finally {
      if (superuser) process.seteuid!(0);
    }
  };

  test('a forbidden file may be allowed later', async () => {
    const dir = await tempDir();
    await chmod(dir, 0o777);
    const path = join(dir, 'web.jsonl');
    await writeFile(path, '');
    await chmod(path, 0o400);
    const sink = openFiles(dir);
    await asNobody(async () => {
      const sending = send(sink, batch());
      await expect(sending).rejects.toThrow('EACCES');
      await expect(sending).rejects.not.toBeInstanceOf(Permanent);
    });
    await chmod(path, 0o666);
    const sent = batch();
    await asNobody(() => send(sink, sent).then(() => undefined));
    expect(await idsIn(path)).toEqual(ids(sent));
  });

  test('a forbidden folder names the file in its error', async () => {
    const dir = await tempDir();
    await mkdir(join(dir, 'shut'), { mode: 0o500 });
    await chmod(dir, 0o755);
    const sink = openFiles(join(dir, 'shut'));
    await asNobody(() => expect(send(sink, batch())).rejects.toThrow(/EACCES.*shut\/web\.jsonl/));
  });
});
