import { MAX_FILE_BYTES } from '../config/document.ts';
import { readText, readTextSync, reasonOf } from '../config/file.ts';
import { formatIssue } from '../config/issue.ts';
import { NO_COUNTERS } from '../context.ts';
import { loadSinks } from '../deliver/registry.ts';
import { draft } from '../sidecar/draft.ts';
import { dryRun } from '../sidecar/dry-run.ts';
import { visible } from '../visible.ts';
import { EXIT, type Host } from './host.ts';

/** `sidecar validate FILE`: prints everything that is wrong with a configuration. Resolves to the exit code. */
export async function validate(path: string, host: Host): Promise<number> {
  const { out } = host;
  const say = (lines: readonly string[]) => out.write(lines.map((line) => `${visible(line)}\n`).join(''));
  const refuse = (errors: readonly string[]) => {
    say(errors);
    return EXIT.failed;
  };
  try {
    const text = await readText(path, MAX_FILE_BYTES);
    const sinks = await loadSinks();
    const readFile = (file: string) => readTextSync(file, MAX_FILE_BYTES);
    const drafted = await draft(text, path, { ...host, sinks, readFile });
    if ('errors' in drafted) return refuse(drafted.errors.map(formatIssue));
    say(drafted.warnings.map((warning) => `warning: ${formatIssue(warning)}`));
    dryRun(drafted, sinks, drafted.config.data_dir, { ...host, counters: NO_COUNTERS });
    say([`${path}: valid (configuration ${drafted.hash})`]);
    return EXIT.ok;
  } catch (error) {
    return refuse([`${path}: ${reasonOf(error)}`]);
  }
}
