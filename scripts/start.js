import { spawn } from 'node:child_process';
import { build, install, ROOT } from './prepare.js';

install();
build();
const sidecar = spawn(`${ROOT}/bin/sidecar`, ['run', '--format', 'human', ...process.argv.slice(2)], {
  stdio: 'inherit',
});
// Ctrl+C reaches the whole group, the sidecar included; other signals reach this process only, which passes them on.
process.on('SIGINT', () => {});
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => sidecar.kill(signal));
// Whoever ends npm means the sidecar, but npm's shell ends without a word to those below it.
if (process.env.npm_lifecycle_event === 'start') {
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    sidecar.kill('SIGTERM');
  }, 250);
  watch.unref();
}
sidecar.on('exit', (code, signal) => {
  process.exitCode = code ?? (signal === null ? 1 : 4);
});
