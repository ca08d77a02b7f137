// Loaded into the sidecar by NODE_OPTIONS=--import: at each SIGUSR2 its clock shows the offset in the file of
// FAULTS_CLOCK, milliseconds. Timers go on as they are, as those of a machine whose clock is set do.
import { readFileSync } from 'node:fs';

const { now } = Date;
const path = process.env.FAULTS_CLOCK;
const read = () => (path === undefined ? 0 : Number(readFileSync(path, 'utf8')));
let offsetMs = read();
process.on('SIGUSR2', () => {
  offsetMs = read();
});

class JumpingDate extends Date {
  constructor(...given) {
    if (given.length === 0) super(JumpingDate.now());
    else super(...given);
  }

  static now() {
    return now() + offsetMs;
  }
}
globalThis.Date = JumpingDate;
