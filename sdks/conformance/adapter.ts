/** One running adapter: a program of some language that calls its SDK as it is told. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Command } from './languages.ts';
import { type Answer, readAnswer, tokensOf, type Value } from './values.ts';

/** What an adapter knows; `README.md` says what each takes and answers. */
export type Operation =
  | 'init'
  | 'ready'
  | 'event'
  | 'metric'
  | 'progress'
  | 'resource'
  | 'set_context'
  | 'start'
  | 'end'
  | 'scoped'
  | 'continue_trace'
  | 'traceparent'
  | 'child_env'
  | 'run_child'
  | 'flush'
  | 'close'
  | 'stats'
  | 'burst'
  | 'die'
  | 'fork'
  | 'threads'
  | 'siblings'
  | 'seed'
  | 'random'
  | 'state'
  | 'mutated'
  | 'bridge'
  | 'sample'
  | 'sleep';

export interface Adapter {
  readonly pid: number;
  /** Sends a command and waits for its answer. */
  call(operation: Operation, ...args: readonly Value[]): Promise<Answer>;
  /** Sends many commands at once; their answers. */
  calls(commands: readonly (readonly [Operation, ...Value[]])[]): Promise<Answer[]>;
  /** Ends its input, upon which it ends; its exit code or signal. */
  end(): Promise<number | string>;
  exited: Promise<number | string>;
  stderr(): string;
  kill(): void;
}

const PATIENCE_MS = 120_000;

/** Starts it; `env` is over the driver's own, without anything of MONITORING_, OTEL_ and TRACEPARENT there. */
export function startAdapter(
  { argv: [program, ...args], env: own }: Command,
  env: Readonly<Record<string, string>> = {},
): Adapter {
  const inherited = Object.entries(process.env).filter(
    ([key]) => !/^(MONITORING_|OTEL_|TRACEPARENT)/.test(key),
  );
  const child: ChildProcess = spawn(program, args, {
    env: { ...Object.fromEntries(inherited), LC_ALL: 'C.UTF-8', ...own, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const waiting: { resolve(answer: Answer): void; reject(error: Error): void }[] = [];
  let stderr = '';
  let rest = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdin?.on('error', () => {});
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const { resolve, reject } = waiting.shift() ?? { resolve() {}, reject() {} };
      try {
        resolve(readAnswer(line));
      } catch (error) {
        reject(error as Error);
      }
    }
  });
  const exited = new Promise<number | string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(signal ?? code ?? 0));
  });
  void exited.then((code) => {
    for (const { reject } of waiting.splice(0))
      reject(new Error(`the adapter ended with ${code}: ${stderr.slice(-2000)}`));
  });
  const answer = () =>
    new Promise<Answer>((resolve, reject) => {
      const late = setTimeout(() => {
        reject(new Error(`no answer in ${PATIENCE_MS / 1000} s: ${stderr.slice(-500)}`));
        child.kill('SIGKILL');
      }, PATIENCE_MS);
      const done = () => clearTimeout(late);
      waiting.push({
        resolve: (value) => {
          done();
          resolve(value);
        },
        reject: (error) => {
          done();
          reject(error);
        },
      });
    });
  const line = (operation: Operation, values: readonly Value[]) =>
    `${[operation, ...values.map(tokensOf)].join(' ')}\n`;
  return {
    pid: child.pid ?? 0,
    call(operation, ...values) {
      child.stdin?.write(line(operation, values));
      return answer();
    },
    calls(commands) {
      child.stdin?.write(commands.map(([operation, ...values]) => line(operation, values)).join(''));
      return Promise.all(commands.map(answer));
    },
    end() {
      child.stdin?.end();
      return exited;
    },
    exited,
    stderr: () => stderr,
    kill: () => void child.kill('SIGKILL'),
  };
}
