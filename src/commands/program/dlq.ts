import type { Command } from 'commander';
import type { DlqAction, DlqOptions } from '../dlq.ts';
import { countOf, TOKEN_OPTION, URL_OPTION } from './options.ts';
import type { Surroundings } from './surroundings.ts';

const MAX_RETRIES = 3;

/** Adds `sidecar dlq` and its commands. */
export function addDlq(program: Command, { createHost, exitWith }: Surroundings): void {
  const run = async (action: DlqAction, options: Partial<DlqOptions>) => {
    const { dlq } = await import('../dlq.ts');
    const defaults = { url: '', id: [], json: false, maxRetries: MAX_RETRIES, all: false };
    await exitWith(dlq(action, { ...defaults, ...options }, createHost('auto')));
  };
  const dead = program
    .command('dlq')
    .description('dead letters: what backends refused for good, and what to do with it')
    .addHelpText(
      'after',
      `
A message that a backend will never take becomes a line of NDJSON in data_dir/dead-letters, with the reason.
  $ sidecar dlq ls                                  how many, of which backend, why
  $ sidecar dlq show --backend timescaledb          the letters themselves
  $ sidecar dlq retry --backend timescaledb         send them again, once the cause is mended
  $ sidecar dlq rm --reason permanent --since 1d    remove them for good

A retry goes through the rules of today, like any message: a backend that has it already gets it again, with its
old id as sent_id, unless its rule says filter: { match: { dlq_retries: { exists: false } } }. It counts its retries in dlq_retries, and stays a dead letter after ${MAX_RETRIES}.`,
    );
  selecting(dead, 'ls', 'how many there are, by backend, reason and source')
    .option('--json', 'a line of JSON each', false)
    .action((options) => run('ls', options));
  selecting(dead, 'show', 'the letters themselves, the newest last')
    .option('--json', 'the lines as they are', false)
    .option('--limit <count>', 'only the newest so many', countOf)
    .action((options) => run('show', options));
  selecting(dead, 'retry', 'send the records again, and remove their letters once they are read')
    .option('--to <address>', 'where the sidecar takes telemetry: host:port, or the path of a Unix socket')
    .option('--max-retries <count>', 'leave letters alone that were retried so often', countOf, MAX_RETRIES)
    .action((options) => run('retry', options));
  selecting(dead, 'rm', 'remove letters for good')
    .option('--all', 'all of them, where no condition is given', false)
    .action((options) => run('rm', options));
}

/** The conditions that say which dead letters are meant. */
function selecting(dead: Command, name: string, description: string): Command {
  return dead
    .command(name)
    .description(description)
    .addOption(URL_OPTION)
    .addOption(TOKEN_OPTION)
    .option('--data-dir <dir>', "the sidecar's folder, for one that does not run")
    .option('--backend <name>', 'of this backend')
    .option('--reason <reason>', 'of this reason, such as permanent or retries_exhausted')
    .option('--source <glob>', 'of these sources')
    .option('--type <type>', 'of this type, such as event or metric')
    .option('--id <id>', 'the record of this id; repeatable', (id: string, ids: string[]) => [...ids, id], [])
    .option('--since <when>', 'that died since then: 30m, 2h, 1d, or 2025-10-20T10:30:00Z')
    .option('--until <when>', 'that died before then');
}
