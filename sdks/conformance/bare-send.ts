/** What a send costs without an SDK: the kernel's part, and that of waking up who reads. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';

const PROGRAM = `
const { writeSync } = require('node:fs');
const [bytes, count, paceUs] = process.argv.slice(1).map(Number);
const frame = Buffer.alloc(bytes, 'x');
frame[bytes - 1] = 10;
const times = [];
while (times.length < count) {
  const beginMs = performance.now() + paceUs / 1000;
  while (performance.now() < beginMs);
  const sentMs = performance.now();
  try {
    writeSync(3, frame);
  } catch (error) {
    if (error.code !== 'EAGAIN') throw error;
    continue;
  }
  times.push(performance.now() - sentMs);
}
console.log(1000 * times.sort((a, b) => a - b)[count >> 1]);
`;

/**
 * The median, in µs, of `count` sends of `bytes` bytes to a port of the loopback, `paceUs` apart, by a process of its own.
 * The pace matters: who reads goes to sleep in between, and to wake it up can cost ten times what a send does.
 */
export async function bareSendUs(
  port: number,
  { bytes, count, paceUs }: { readonly bytes: number; readonly count: number; readonly paceUs: number },
): Promise<number> {
  const socket = connect(port, '127.0.0.1').setNoDelay();
  await once(socket, 'connect');
  const args = ['-e', PROGRAM, ...[bytes, count, paceUs].map(String)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit', socket] });
  const said = await text(child.stdout as NonNullable<typeof child.stdout>);
  socket.destroy();
  return Number(said);
}
