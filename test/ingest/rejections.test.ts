import { describe, expect, test } from '@jest/globals';
import { TestScheduler } from 'rxjs/testing';
import { rejectionsOf } from '../../src/ingest/rejections.ts';
import { createRecording } from './harness.ts';

/** Runs `steps` at their virtual milliseconds; the levels of what was logged come back. */
function levels(steps: (reject: ReturnType<typeof rejectionsOf>[]) => [number, () => void][]): string[] {
  const scheduler = new TestScheduler(() => {});
  const recording = createRecording(scheduler);
  scheduler.run(({ flush }) => {
    const rejects = [1, 2].map((id) => rejectionsOf({ id, remote: `client ${id}` }, recording.context));
    for (const [ms, step] of steps(rejects)) scheduler.schedule(step, ms);
    flush();
  });
  return recording.logged.map(({ level }) => level);
}

describe('a refusal', () => {
  test('is a warning the first time, for debugging after', () => {
    expect(
      levels(([a]) => [
        [0, () => a!('json')],
        [1, () => a!('json')],
        [60_000, () => a!('json')],
      ]),
    ).toEqual(['warn', 'debug', 'debug']);
  });

  test('for another reason is a warning too', () => {
    expect(
      levels(([a]) => [
        [0, () => a!('json')],
        [1, () => a!('utf8')],
      ]),
    ).toEqual(['warn', 'warn']);
  });

  test('on another connection is a warning once in ten seconds: a port scan is no log flood', () => {
    expect(
      levels(([a, b]) => [
        [0, () => a!('first_byte')],
        [9_999, () => b!('first_byte')],
      ]),
    ).toEqual(['warn', 'debug']);
    expect(
      levels(([a, b]) => [
        [0, () => a!('first_byte')],
        [10_000, () => b!('first_byte')],
      ]),
    ).toEqual(['warn', 'warn']);
  });

  test('is counted every time, and says who, why and what it means', () => {
    const { context, rejected, logged } = createRecording();
    const reject = rejectionsOf({ id: 7, remote: '10.0.0.1:5' }, context);
    reject('connection_error', 'read ECONNRESET');
    reject('connection_error');
    expect(rejected).toEqual(['connection_error', 'connection_error']);
    expect(logged[0]).toEqual({
      level: 'debug',
      fields: { connection: 7, remote: '10.0.0.1:5', reason: 'connection_error', cause: 'read ECONNRESET' },
      message: 'ingest: a connection broke',
    });
  });
});
