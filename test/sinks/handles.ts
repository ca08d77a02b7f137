import { type FileHandle, open } from 'node:fs/promises';

/** The class of all file handles, to make its calls fail. */
export const handles: FileHandle = await (async () => {
  const handle = await open('/dev/null');
  await handle.close();
  return Object.getPrototypeOf(handle);
})();

/** An error as the system reports it. */
export const failure = (code: string): Error => Object.assign(new Error(`${code}: simulated`), { code });
