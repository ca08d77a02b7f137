import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError, Option } from 'commander';
import { asyncScheduler, delay, fromEvent, merge, config as rxjs, share, take } from 'rxjs';
import type { DlqAction, DlqOptions } from './commands/dlq.ts';
import { EXIT, type Host } from './commands/host.ts';
import type { Override } from './config/overrides.ts';
import { createLog, type OwnLog } from './log.ts';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

// The SDK's version is pinned to one that knows this Node.js; its advice would be the only lines of the log without JSON.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';

/** `--set tcp.port=0`, as often as wanted. */
function collectSetting(text: string, settings: readonly Override[]): readonly Override[] {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('expected KEY=VALUE, such as tcp.port=0');
  return [...settings, [text.slice(0, at), text.slice(at + 1)]];
}

type Format = 'auto' | 'human' | 'json';

const isHuman = (format: Format) =>
  format === 'human' || (format === 'auto' && process.stdout.isTTY === true);

/** The log of this process, once there is one. */
let ownLog: OwnLog | undefined;

function createHost(format: Format, level: string): Host {
  const stop$ = merge(fromEvent(process, 'SIGTERM'), fromEvent(process, 'SIGINT')).pipe(share());
  ownLog = createLog(process.stderr.fd, {
    level,
    human: isHuman(format),
    colour: process.stderr.isTTY && process.stderr.hasColors(),
  });
  return {
    env: process.env,
    out: {
      write: (text) => process.stdout.write(text),
      ...(process.stdout.isTTY && { columns: process.stdout.columns }),
    },
    log: ownLog,
    scheduler: asyncScheduler,
    random: Math.random,
    stop$,
    reload$: fromEvent(process, 'SIGHUP'),
    version,
    shippedPipelines: fileURLToPath(new URL('../pipelines', import.meta.url)),
    // Also where `main.ts` itself runs, in a checkout.
    shippedUi: fileURLToPath(new URL('../dist/ui', import.meta.url)),
  };
}

const URL_OPTION = new Option('--url <url>', "the running sidecar's HTTP address")
  .env('SIDECAR_URL')
  .default('http://127.0.0.1:17001');

const TOKEN_OPTION = new Option(
  '--token <token>',
  'what the sidecar asks for; without it, that of http-token in its data_dir is used',
).env('SIDECAR_TOKEN');

const program = new Command('sidecar')
  .description(
    'Takes telemetry on one TCP port and routes it to backends, by rules that change while it runs.',
  )
  .version(version)
  .addOption(
    new Option('--log-level <level>', 'of what is logged')
      .choices(['debug', 'info', 'warn', 'error'])
      .default('info'),
  )
  .showHelpAfterError('(sidecar --help explains)')
  .exitOverride()
  .addHelpText(
    'after',
    `
Start here:
  $ sidecar run                          on the built-in defaults
  $ sidecar validate my.yaml             is my configuration right?
  $ sidecar run --config my.yaml         edit my.yaml while it runs: every save is taken over
  $ sidecar test my.test.yaml            does it route as I mean it? in virtual time, nothing is sent
  $ sidecar job job-12345                what happened to a job, across its services
  $ sidecar plan my.yaml                 what would an edit change, and where would messages have gone?
  $ sidecar why 01a20ac8-5feb-7000-…     what happened to a message, and where it is now
  $ sidecar dlq ls                       what was refused, by which backend, and why

Exit codes: 0 all is well · 1 a configuration, test or look-up failed · 2 wrong usage
            3 an address or file could not be opened · 4 messages were lost at shutdown`,
  );

program
  .command('run')
  .description('run the sidecar until SIGTERM or Ctrl+C; SIGHUP reads the configuration again')
  .option(
    '--config <file>',
    'the configuration',
    fileURLToPath(new URL('../config/default.yaml', import.meta.url)),
  )
  .option('--data-dir <dir>', "folder for the sidecar's own state; like --set data_dir=DIR")
  .option('--set <key=value>', 'a setting that takes the place of the file’s; repeatable', collectSetting, [])
  .addOption(
    new Option('--format <format>', 'of what is printed').choices(['auto', 'human', 'json']).default('auto'),
  )
  .action(async (options) => {
    const { run } = await import('./commands/run.ts');
    const host = createHost(options.format, program.opts().logLevel);
    const dataDir: readonly Override[] = options.dataDir === undefined ? [] : [['data_dir', options.dataDir]];
    const overrides = [...options.set, ...dataDir];
    host.stop$.pipe(take(1), delay(SAME_SIGNAL_MS)).subscribe(() => {
      process.once('SIGTERM', endAtOnce).once('SIGINT', endAtOnce);
    });
    // The last resort for streams that an operator's author subscribes by hand: they cost a log line, not the process.
    rxjs.onUnhandledError = (error) => host.log.error({ err: error }, 'a stream failed that nobody watched');
    const { createStrays } = await import('./route/strays.ts');
    const isStray = createStrays(host, fileURLToPath(new URL('.', import.meta.url)));
    process.on('uncaughtException', (error) => isStray(error) || fail(error));
    await exitWith(run({ config: options.config, overrides, human: isHuman(options.format) }, host));
  });

program
  .command('validate')
  .description('check a configuration; prints everything that is wrong with it')
  .argument('<file>')
  .action(async (file) => {
    const { validate } = await import('./commands/validate.ts');
    await exitWith(validate(file, createHost('auto', program.opts().logLevel)));
  });

program
  .command('test')
  .description('run marble tests of configurations, in virtual time; docs/testing.md explains them')
  .argument('[files...]', 'test files (*.test.yaml) or folders of them', ['.'])
  .action(async (files) => {
    const { test } = await import('./commands/test.ts');
    const colour = process.stdout.isTTY === true && process.stdout.hasColors();
    await exitWith(test({ files, colour }, createHost('auto', program.opts().logLevel)));
  });

program
  .command('plan')
  .description('what would change if the running sidecar’s configuration were this; changes nothing')
  .argument('<file>', 'the new configuration')
  .addOption(URL_OPTION)
  .addOption(TOKEN_OPTION)
  .option('--json', "print the sidecar's answer as it is", false)
  .addHelpText(
    'after',
    `
The sidecar reads the text as if it were its own file: with its --set, its environment, and relative to its folder.
Files that its configuration in force does not read (\${file:…}), and other folders of operators, are not looked at.`,
  )
  .action(async (file, options) => {
    const { plan } = await import('./commands/plan.ts');
    const { out } = createHost('auto', program.opts().logLevel);
    await exitWith(plan(file, options, out));
  });

program
  .command('why')
  .description('what happened to a message: its rules, batch, attempts, and where it is or why it is not')
  .argument('<id>', "a message's id, a job's, a trace's, or source:seq")
  .addOption(URL_OPTION)
  .addOption(TOKEN_OPTION)
  .option('--json', "print the sidecar's answer as it is", false)
  .addHelpText(
    'after',
    `
The sidecar remembers its last messages (journal.max_messages). Up to 2,000 a second it remembers all of them; above,
those that come first in each second, and every one that was shed or became a dead letter.`,
  )
  .action(async (id, options) => {
    const { why } = await import('./commands/why.ts');
    const { out } = createHost('auto', program.opts().logLevel);
    await exitWith(why(id, options, out));
  });

/** The conditions that say which dead letters are meant. */
function dlqCommand(name: string, description: string): Command {
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

async function runDlq(action: DlqAction, options: Partial<DlqOptions>): Promise<void> {
  const { dlq } = await import('./commands/dlq.ts');
  const defaults = { url: '', id: [], json: false, maxRetries: MAX_RETRIES, all: false };
  await exitWith(dlq(action, { ...defaults, ...options }, createHost('auto', program.opts().logLevel)));
}

const MAX_RETRIES = 3;

function countOf(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('expected a number from 1');
  return Number(text);
}

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
old id as sent_id. It counts its retries in dlq_retries, and stays a dead letter after ${MAX_RETRIES}.`,
  );
dlqCommand('ls', 'how many there are, by backend, reason and source')
  .option('--json', 'a line of JSON each', false)
  .action((options) => runDlq('ls', options));
dlqCommand('show', 'the letters themselves, the newest last')
  .option('--json', 'the lines as they are', false)
  .option('--limit <count>', 'only the newest so many', countOf)
  .action((options) => runDlq('show', options));
dlqCommand('retry', 'send the records again, and remove their letters once they are read')
  .option('--to <address>', 'where the sidecar takes telemetry: host:port, or the path of a Unix socket')
  .option('--max-retries <count>', 'leave letters alone that were retried so often', countOf, MAX_RETRIES)
  .action((options) => runDlq('retry', options));
dlqCommand('rm', 'remove letters for good')
  .option('--all', 'all of them, where no condition is given', false)
  .action((options) => runDlq('rm', options));

program
  .command('job')
  .description('show a job: its services, their times and the total')
  .argument('<id>')
  .addOption(URL_OPTION)
  .addOption(TOKEN_OPTION)
  .option('--json', "print the sidecar's answer as it is", false)
  .action(async (id, options) => {
    const { job } = await import('./commands/job.ts');
    const { out } = createHost('auto', program.opts().logLevel);
    await exitWith(job(id, options, out));
  });

/** Package managers pass on a signal that the terminal has sent already: within this time it is the same one. */
const SAME_SIGNAL_MS = 250;

/** A second signal: what is not delivered yet is lost, and the exit code says so. */
function endAtOnce(): void {
  process.stderr.write('ended at once; what was not delivered is lost\n');
  process.exitCode = EXIT.lost;
  end();
}

/** A fault of the sidecar itself: what it would do from here on is unknown. */
function fail(error: Error): void {
  process.stderr.write(`${error.stack ?? String(error)}\n`);
  process.exitCode = EXIT.failed;
  end();
}

/** How long the process stays for what it still prints: nobody may be reading it any more. */
const LINGER_MS = 1_000;

async function exitWith(code: Promise<number>): Promise<void> {
  process.exitCode = await code;
  setTimeout(end, LINGER_MS).unref();
}

/** Ends the process, whether or not anybody reads what it prints. */
function end(): void {
  ownLog?.abandon();
  process.exit();
}

/** Whoever reads what is printed may stop, as `head` does: what is left is for nobody, and no reason to fail. */
function ignoreNoReader(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}

process.stdout.on('error', ignoreNoReader);
process.stderr.on('error', ignoreNoReader);
try {
  await program.parseAsync();
} catch (error) {
  const { exitCode = EXIT.failed } = error as { exitCode?: number };
  if (!(error instanceof Error && 'exitCode' in error)) process.stderr.write(`${String(error)}\n`);
  process.exitCode = exitCode === 1 ? EXIT.usage : exitCode;
}
