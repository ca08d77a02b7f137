import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { ROOT } from '../processes.ts';
import { sourcesBelow } from './sources.ts';

/** The components of a folder: its own files, not those of folders in it. */
const componentsOf = (folder: string) =>
  sourcesBelow(folder)
    .map(({ path }) => path)
    .filter((path) => !path.slice(folder.length + 1).includes('/') && !path.endsWith('.test.ts'));

const load = (path: string) => import(join(ROOT, path)) as Promise<Record<string, unknown>>;

describe('each file in its folder keeps the contract', () => {
  test.each(componentsOf('src/sinks'))('%s is a sink', async (path) => {
    const { default: sink, ...others } = await load(path);
    expect(sink).toMatchObject({
      options: { parse: expect.any(Function) },
      overrides: { parse: expect.any(Function) },
      open: expect.any(Function),
    });
    expect(Object.values(others).every((other) => typeof other === 'function')).toBe(true);
  });

  test.each(componentsOf('src/ingest/codecs'))('%s is a codec that detection knows', async (path) => {
    const { codec } = (await load(path)) as { codec: { name: string; accepts: unknown; open: unknown } };
    expect(codec).toEqual({
      name: path.split('/').at(-1)!.replace('.ts', ''),
      accepts: expect.any(Function),
      open: expect.any(Function),
    });
    const { CODECS } = await load('src/ingest/detect.ts');
    expect(CODECS).toContain(codec);
  });

  test('no first byte belongs to two codecs', async () => {
    const { CODECS } = (await load('src/ingest/detect.ts')) as {
      CODECS: { accepts(byte: number): boolean }[];
    };
    for (let byte = 0; byte < 256; byte++) {
      expect(CODECS.filter((codec) => codec.accepts(byte)).length).toBeLessThan(2);
    }
  });

  test.each(componentsOf('pipelines'))('%s is an operator', async (path) => {
    const { default: operator } = (await load(path)) as { default: { options?: { parse: unknown } } };
    expect(typeof operator).toBe('function');
    if (operator.options !== undefined) expect(operator.options.parse).toEqual(expect.any(Function));
  });

  test.each(componentsOf('src/commands').filter((path) => !path.endsWith('host.ts')))(
    '%s is a command',
    async (path) => {
      const name = path.split('/').at(-1)!.replace('.ts', '');
      expect(await load(path)).toMatchObject({ [name]: expect.any(Function) });
    },
  );
});
