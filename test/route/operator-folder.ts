import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach } from '@jest/globals';
import { type LoadedOperator, loadOperators } from '../../src/route/load-operators.ts';

/** The operators that come with the sidecar. */
export const SHIPPED = join(import.meta.dirname, '../../pipelines');

/** A folder of operators in a temporary place, a new one for each test. */
export function operatorFolder() {
  let dir = '';
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'operators-'));
  });
  afterEach(() => rm(dir, { recursive: true }));

  const loadAny = async (name: string, fallbackDir?: string) =>
    (await loadOperators(dir, [name], fallbackDir === undefined ? {} : { fallbackDir })).get(name);

  return {
    path: (...names: readonly string[]) => join(dir, ...names),
    async write(files: Readonly<Record<string, string>>): Promise<void> {
      for (const [path, text] of Object.entries(files)) {
        await mkdir(dirname(join(dir, path)), { recursive: true });
        await writeFile(join(dir, path), text);
      }
    },
    async load(name: string, fallbackDir?: string): Promise<LoadedOperator> {
      const loaded = await loadAny(name, fallbackDir);
      if (loaded === undefined || loaded instanceof Error) throw loaded;
      return loaded;
    },
    /** The message of the error that loading gives, the folder's path as DIR. */
    async failure(name: string, fallbackDir?: string): Promise<string> {
      const loaded = await loadAny(name, fallbackDir);
      if (loaded instanceof Error) return loaded.message.replaceAll(dir, 'DIR');
      throw new Error(`${name} did not fail`);
    },
  };
}
