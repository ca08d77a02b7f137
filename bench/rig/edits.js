import { existsSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/**
 * Ways to save a file, as programs and people do it; each leaves `text` at `path`, whatever stood there.
 * `inPlace` truncates and writes, `renamed` moves a finished file over it, `symlinked` swaps a folder of versions
 * behind a link, as Kubernetes does with a ConfigMap.
 * @type {Record<'inPlace' | 'renamed' | 'symlinked', (path: string, text: string) => void>}
 */
export const SAVES = {
  inPlace: (path, text) => writeFileSync(path, text),
  renamed: (path, text) => {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  },
  symlinked: (path, text) => {
    const folder = dirname(path);
    versions += 1;
    const version = `..v${versions}`;
    mkdirSync(join(folder, version));
    writeFileSync(join(folder, version, basename(path)), text);
    relink(version, join(folder, '..data'));
    relink(join('..data', basename(path)), path);
    const old = join(folder, `..v${versions - 1}`);
    if (existsSync(old)) rmSync(old, { recursive: true });
  },
};

let versions = 0;

/** Makes `path` a link to `target` in one step. */
function relink(target, path) {
  symlinkSync(target, `${path}.new`);
  renameSync(`${path}.new`, path);
}
