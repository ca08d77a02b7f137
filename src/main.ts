import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError, Option } from 'commander';
import { asyncScheduler, delay, fromEvent, merge, config as rxjs, share, take } from 'rxjs';
import { EXIT, type Host } from './commands/host.ts';
import { addDlq } from './commands/program/dlq.ts';
import { addDoctor, addTap, addTop } from './commands/program/live.ts';
import { leftByNpx } from './commands/program/npx.ts';
import { FORMAT_OPTION, TOKEN_OPTION, URL_OPTION } from './commands/program/options.ts';
import type { Format, Surroundings } from './commands/program/surroundings.ts';
import { slowCompilers } from './compilers.ts';
import type { Override } from './config/overrides.ts';
import { createLog, type OwnLog } from './log.ts';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

// The SDK's version is pinned to one that knows this Node.js; its advice would be the only lines of the log without JSON.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';

/** Up to the first `=` that is not within quotes. */
const END_OF_KEY = /^(?:[^="]|"(?:[^"\\]|\\.)*")+(?==)/;

/** `--set tcp.port=0`, as often as wanted. */
function collectSetting(text: string, settings: readonly Override[]): readonly Override[] {
  const at = END_OF_KEY.exec(text)?.[0].length ?? 0;
  if (at < 1) throw new InvalidArgumentError('expected KEY=VALUE, such as tcp.port=0');
  return [...settings, [text.slice(0, at), text.slice(at + 1)]];
}

const isHuman = (format: Format) =>
  format === 'human' || (format === 'auto' && process.stdout.isTTY === true);

/** The log of this process, once there is one. */
let ownLog: OwnLog | undefined;

/** Signals that ask for an end, the last one by Ctrl+\ or a container's `STOPSIGNAL`. */
const STOPS = ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const;

function createHost(format: Format): Host {
  const stop$ = merge(leftByNpx(process), ...STOPS.map((signal) => fromEvent(process, signal))).pipe(share());
  ownLog = createLog(process.stderr.fd, {
    level: program.opts().logLevel,
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
    unread$: fromEvent(process.stdout, 'error'),
    reload$: fromEvent(process, 'SIGHUP'),
    version,
    shippedPipelines: fileURLToPath(new URL('../pipelines', import.meta.url)),
    // Also where `main.ts` itself runs, in a checkout.
    shippedUi: fileURLToPath(new URL('../dist/ui', import.meta.url)),
  };
}

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
  $ sidecar doctor                       does telemetry reach the sidecar from here?
  $ sidecar tap --level warn             messages as they pass, live
  $ sidecar top                          throughput, backends, queues, reloads, live
  $ sidecar dlq ls                       what was refused, by which backend, and why

Exit codes: 0 all is well · 1 a configuration, test or look-up failed · 2 wrong usage
            3 an address or file could not be opened · 4 messages were lost at shutdown`,
  );

const surroundings: Surroundings = {
  createHost,
  isHuman,
  isTerminal: process.stdout.isTTY === true,
  hasColours: process.stdout.isTTY === true && process.stdout.hasColors(),
  exitWith,
};

program
  .command('run')
  .description('run the sidecar until SIGTERM, SIGQUIT or Ctrl+C; SIGHUP reads the configuration again')
  .option(
    '--config <file>',
    'the configuration',
    fileURLToPath(new URL('../config/default.yaml', import.meta.url)),
  )
  .option('--data-dir <dir>', "folder for the sidecar's own state; like --set data_dir=DIR")
  .option('--set <key=value>', 'a setting that takes the place of the file’s; repeatable', collectSetting, [])
  .addOption(FORMAT_OPTION)
  .action(async (options) => {
    if (process.execArgv.includes('--single-threaded-gc')) slowCompilers();
    // While the sidecar starts, what a signal asks to be read again is being read.
    process.on('SIGHUP', () => {});
    for (const signal of STRAY_SIGNALS) process.on(signal, () => ownLog?.info({ signal }, STRAY_SIGNAL));
    const { run } = await import('./commands/run.ts');
    const { createStrays } = await import('./route/strays.ts');
    const host = createHost(options.format);
    const dataDir: readonly Override[] = options.dataDir === undefined ? [] : [['data_dir', options.dataDir]];
    const overrides = [...options.set, ...dataDir];
    // From here to `run` nothing is waited for: a signal that only this hears would be forgotten.
    for (const signal of STOPS) process.on(signal, () => {});
    host.stop$.pipe(take(1), delay(SAME_SIGNAL_MS)).subscribe(() => {
      for (const signal of STOPS) process.once(signal, endAtOnce);
    });
    // The last resort for streams that an operator's author subscribes by hand: they cost a log line, not the process.
    rxjs.onUnhandledError = (error) => host.log.error({ err: error }, 'a stream failed that nobody watched');
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
    await exitWith(validate(file, createHost('auto')));
  });

program
  .command('test')
  .description('run marble tests of configurations, in virtual time; docs/testing.md explains them')
  .argument('[files...]', 'test files (*.test.yaml) or folders of them', ['.'])
  .action(async (files) => {
    const { test } = await import('./commands/test.ts');
    await exitWith(test({ files, colour: surroundings.hasColours }, createHost('auto')));
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
    const { out } = createHost('auto');
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
    const { out } = createHost('auto');
    await exitWith(why(id, options, out));
  });

addDlq(program, surroundings);

program
  .command('job')
  .description('show a job: its services, their times and the total')
  .argument('<id>')
  .addOption(URL_OPTION)
  .addOption(TOKEN_OPTION)
  .option('--json', "print the sidecar's answer as it is", false)
  .action(async (id, options) => {
    const { job } = await import('./commands/job.ts');
    const { out } = createHost('auto');
    await exitWith(job(id, options, out));
  });

addDoctor(program, surroundings);
addTap(program, surroundings);
addTop(program, surroundings);

/** What tools send to daemons that reopen their files; it would end this process, or open its debugger to everybody here. */
const STRAY_SIGNALS = ['SIGUSR1', 'SIGUSR2'] as const;
const STRAY_SIGNAL = 'the signal has no meaning here: SIGHUP reads the configuration again, SIGTERM stops';

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

/** How long the process stays for what it still prints, as nobody may be reading it any more, or has still open. */
const LINGER_MS = 1_000;
const LOOK_MS = 20;

/** Ends the process with this code. Left to end by itself, Node.js 20 may wait for its own threads for ever (nodejs/node#54918). */
async function exitWith(code: Promise<number>): Promise<void> {
  process.exitCode = await code;
  setTimeout(() => end(), LINGER_MS);
  const printed = [process.stdout, process.stderr].map((out) => new Promise((done) => out.write('', done)));
  await Promise.all([...printed, ownLog?.written()]);
  if (isUnprinted) process.exitCode ||= EXIT.failed;
  end();
}

/** A call of the system that runs in a thread: on a file, or for an address. */
const isCall = (resource: string) => /Req/.test(resource);

/**
 * Ends the process, whether or not anybody reads what it prints. `process.exit` waits for calls of the system, for ever
 * where a mount hangs: then by a signal, which does not. SIGTERM is a clean end for a service manager, SIGKILL is none.
 */
function end(leftMs = LINGER_MS): void {
  ownLog?.abandon();
  if (!process.getActiveResourcesInfo().some(isCall)) process.exit();
  if (leftMs > 0) {
    setTimeout(() => end(leftMs - LOOK_MS), LOOK_MS);
    return;
  }
  const signal = process.exitCode === EXIT.ok ? 'SIGTERM' : 'SIGKILL';
  process.stderr.write(
    `a file system or name server does not answer: ended by ${signal} instead of code ${process.exitCode}\n`,
  );
  for (const stop of STOPS) process.removeAllListeners(stop);
  process.kill(process.pid, signal);
}

/** Whether something could not be printed, as on a full disk. */
let isUnprinted = false;

/** Whoever reads what is printed may stop, as `head` does: what is left is for nobody, and no reason to fail. */
function onUnprinted({ code, message }: NodeJS.ErrnoException): void {
  if (code === 'EPIPE') return;
  isUnprinted = true;
  process.stderr.write(`cannot print: ${message}\n`);
}

const MORE_FILES =
  'This process may not open enough files to start: allow it more, as with `ulimit -n 1024` or LimitNOFILE=';

process.stdout.on('error', onUnprinted);
// Whatever is wrong with it, there is no other place to say so.
process.stderr.on('error', () => {});
try {
  await program.parseAsync();
} catch (error) {
  const { exitCode = EXIT.failed } = error as { exitCode?: number };
  const isOutOfFiles = error instanceof Error && /^E[MN]FILE\b/.test(error.message);
  if (isOutOfFiles) process.stderr.write(`${error.message}\n${MORE_FILES}\n`);
  else if (!(error instanceof Error && 'exitCode' in error)) process.stderr.write(`${String(error)}\n`);
  if (isOutOfFiles) process.exitCode = EXIT.cannotOpen;
  else process.exitCode = exitCode === 1 ? EXIT.usage : exitCode;
}
