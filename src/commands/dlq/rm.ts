import { sortFile } from '../../deliver/letter-files.ts';
import { EXIT, type Out } from '../host.ts';
import { compileLetterFilter, filesFor, type LetterFilter, letterOf } from './letters.ts';

/** `sidecar dlq rm`: removes letters for good. */
export async function rm(
  { dir, filter }: { readonly dir: string; readonly filter: LetterFilter },
  out: Out,
): Promise<number> {
  const isMeant = compileLetterFilter(filter);
  let removed = 0;
  for (const path of filesFor(dir, filter)) {
    await sortFile(path, async function* (line$) {
      for await (const line of line$) {
        const letter = letterOf(line);
        if (letter !== undefined && isMeant(letter)) removed++;
        else yield line;
      }
    });
  }
  out.write(`${removed} dead letter${removed === 1 ? '' : 's'} removed.\n`);
  return removed === 0 ? EXIT.failed : EXIT.ok;
}
