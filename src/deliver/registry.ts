import { readdirSync } from 'node:fs';
import { extname } from 'node:path';
import type { SinkDefinition } from './sink.ts';

/** This file's own ending: sinks are TypeScript in the sources and JavaScript in the package. */
const ENDING = extname(import.meta.url);
const FOLDER = new URL('../sinks/', import.meta.url);

/**
 * Every type of backend by the name of its file in `sinks/`. Only definitions are loaded; a client library is
 * loaded by the first send that needs it.
 */
export async function loadSinks(): Promise<ReadonlyMap<string, SinkDefinition>> {
  const files = readdirSync(FOLDER).filter((file) => file.endsWith(ENDING) && !file.endsWith(`.d${ENDING}`));
  const definitions = files.map(async (file) => {
    const { default: definition } = (await import(new URL(file, FOLDER).href)) as { default: SinkDefinition };
    return [file.slice(0, -ENDING.length), definition] as const;
  });
  return new Map(await Promise.all(definitions));
}
