import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Runs a program in `cwd` to its end; what it said on stdout and stderr. Rejects with that unless it exits with 0. */
export async function outputOf(
  program: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const child = spawn(program, args, { cwd, env: { ...process.env, ...env } });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  }
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${program} ${args.join(' ')}: exit code ${code}\n${said}`);
  return said;
}
