/** Prints numbered events through the console sink until the sink refuses; then says so on stderr and ends well. */
import { asyncScheduler, lastValueFrom } from 'rxjs';
import { createBatch } from '../../../src/batch.ts';
import { createMessage } from '../../../src/message.ts';
import consoleSink from '../../../src/sinks/console.ts';

const [options = '{}', count = '1'] = process.argv.slice(2);
const log = { debug() {}, info() {}, warn() {}, error() {} };
const counters = { received() {}, rejected() {}, batched() {}, added() {}, operatorFailed() {} };
const context = {
  scheduler: asyncScheduler,
  log,
  counters,
  random: Math.random,
  backend: 'screen',
  dataDir: '',
};
const sink = consoleSink.open(consoleSink.options.parse(JSON.parse(options)), context);
if (sink === undefined) throw new Error('the sink cannot be opened');

for (let n = 0; n < Number(count); n++) {
  const data = { level: 'warn', message: `number ${n} \u202e`, filler: 'x'.repeat(1_000) };
  const parsed = { source: 'web', type: 'event', data };
  const message = createMessage({
    id: String(n),
    source: 'web',
    type: 'event',
    timeMs: 0,
    receivedMs: 0,
    traceId: '',
    spanId: '',
    jobId: '',
    seq: 0,
    severity: 4,
    head: JSON.stringify(parsed).slice(0, -1),
    tail: '',
    parsed,
  });
  try {
    await lastValueFrom(sink.send(createBatch([message], 1, 'count'), { key: '' }), { defaultValue: 0 });
  } catch (error) {
    process.stderr.write(`${n} ${error instanceof Error ? `${error.name}: ${error.message}` : error}\n`);
    break;
  }
}
