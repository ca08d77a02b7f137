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
sidecar.on('exit', (code, signal) => {
  process.exitCode = code ?? (signal === null ? 1 : 4);
});
