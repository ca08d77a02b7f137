import { type Command, Option } from 'commander';
import { countOf, FORMAT_OPTION, TOKEN_OPTION, URL_OPTION } from './options.ts';
import type { Surroundings } from './surroundings.ts';

/** Adds `sidecar tap`. */
export function addTap(program: Command, around: Surroundings): void {
  program
    .command('tap')
    .description('messages as they pass: lines on a terminal, JSON lines otherwise')
    .addOption(URL_OPTION)
    .addOption(TOKEN_OPTION)
    .addOption(
      new Option('--at <place>', 'as they come in, as a rule takes them, or as their way to a backend ends')
        .choices(['ingest', 'route', 'backend'])
        .default('ingest'),
    )
    .option('--source <glob>', 'of these sources')
    .option('--type <types>', 'of these types, such as event,span')
    .option('--level <level>', 'events of this level and above')
    .option('--match <text>', 'whose JSON has this text')
    .option('--job <id>', 'of this job')
    .option('--trace <id>', 'of this trace')
    .option('--count <count>', 'end after so many', countOf)
    .addOption(FORMAT_OPTION)
    .addHelpText(
      'after',
      `
Above 500 messages a second a part of them is shown, and said so. Secrets are masked; http.redact has more patterns.`,
    )
    .action(async ({ format, ...options }) => {
      const { tap } = await import('../tap.ts');
      const human = around.isHuman(format);
      const host = around.createHost(format);
      await around.exitWith(tap({ ...options, human, colour: around.hasColours }, host));
    });
}

/** Adds `sidecar doctor`. */
export function addDoctor(program: Command, around: Surroundings): void {
  program
    .command('doctor')
    .description('does telemetry of a program started here reach the sidecar, and what becomes of it?')
    .option('--host <address>', 'in place of MONITORING_HOST')
    .option('--port <port>', 'in place of MONITORING_PORT')
    .addOption(URL_OPTION)
    .addOption(TOKEN_OPTION)
    .addHelpText(
      'after',
      `
Run it where the program runs, as its user and in its environment: it reads the variables that SDKs read, connects
as they do, sends one event, and tells how that was routed and where it is.`,
    )
    .action(async (options) => {
      const { doctor } = await import('../doctor.ts');
      await around.exitWith(doctor(options, around.createHost('auto')));
    });
}

/** Adds `sidecar top`. */
export function addTop(program: Command, around: Surroundings): void {
  program
    .command('top')
    .description('how the running sidecar is: throughput, backends, queues, spools, sources, reloads')
    .addOption(URL_OPTION)
    .addOption(TOKEN_OPTION)
    .option('--once', 'print it once, as is done where there is no terminal', !around.isTerminal)
    .option('--json', "print the sidecar's answers, a line of JSON each time", false)
    .action(async (options) => {
      const { top } = await import('../top.ts');
      const host = around.createHost('auto');
      await around.exitWith(top({ ...options, inPlace: around.isTerminal }, host));
    });
}
