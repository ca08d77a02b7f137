import { describe, expect, test } from '@jest/globals';
import { createReaddress } from '../../src/deliver/addressing.ts';
import { ended, type Job, mergeJobs } from '../../src/deliver/job.ts';
import { type Address, byTarget, type Sink } from '../../src/deliver/sink.ts';
import { batch, message, numbersOf } from './fixtures.ts';

/** Targets below `folder`, each named by the type of its messages where `name` says so; refuses other names. */
const sinkIn =
  (folder: string): Sink['address'] =>
  ({ name = 'all' }: { name?: string }): Address => {
    if (name !== 'all' && name !== '{type}') throw new Error(`no such name: ${name}`);
    return {
      perMessage: name === '{type}',
      target: ({ type }) => ({ key: `${folder}/${name.replace('{type}', type)}` }),
    };
  };

const mixed = [
  message(1, { type: 'a' }),
  message(2, { type: 'b' }),
  message(3, { type: 'a' }),
  message(4, { type: 'b' }),
];

const jobFor = (key: string, over: Partial<Job> = {}): Job => ({
  batch: batch(mixed),
  target: { key },
  overrides: {},
  priority: 3,
  whenFull: 'block',
  offeredMs: 7,
  order: 0,
  sends: 2,
  failures: 1,
  ...over,
});

const show = (jobs: readonly Omit<Job, 'order'>[]) =>
  jobs.map(({ target, batch: { messages } }) => `${target.key} ${numbersOf(messages)}`);

describe('what waited outside of the lane', () => {
  const readdress = createReaddress({ address: sinkIn('new') });

  test('goes where the backend is now, and is otherwise as it was', () => {
    const job = jobFor('old/all');
    expect(readdress(job)).toEqual([{ ...job, target: { key: 'new/all' } }]);
  });

  test('is untouched where that is where it was to go', () => {
    const job = jobFor('new/all');
    expect(readdress(job)[0]).toBe(job);
  });

  test('is addressed as its rule said', () => {
    const job = jobFor('old/all', { overrides: { name: '{type}' } });
    expect(show(readdress(job))).toEqual(['new/a 1,3', 'new/b 2,4']);
    expect(readdress(job)[1]).toMatchObject({ priority: 3, whenFull: 'block', sends: 2, failures: 1 });
  });

  test('is addressed without what its rule said if that means nothing here', () => {
    expect(show(readdress(jobFor('.', { overrides: { name: 'of another type' } })))).toEqual([
      'new/all 1,2,3,4',
    ]);
  });

  test('keeps its target if it is not known what its rule said, or nothing can be addressed', () => {
    const unknown = jobFor('old/all', { overrides: undefined });
    expect(readdress(unknown)[0]).toBe(unknown);
    const refusing = createReaddress({
      address: () => {
        throw new Error('name a bucket');
      },
    });
    const job = jobFor('old/all');
    expect(refusing(job)[0]).toBe(job);
  });

  test('is done with in the spool when all of its parts are, whatever they were merged with', () => {
    const done: string[] = [];
    const spooledJob = (name: string) =>
      jobFor('old/all', {
        overrides: { name: '{type}' },
        spooled: { left: mixed.length, done: () => done.push(name) },
      });
    const [a1, b1] = readdress(spooledJob('one'));
    const [a2, b2] = readdress(spooledJob('two'));
    const merged = (...jobs: (Omit<Job, 'order'> | undefined)[]) =>
      mergeJobs(jobs.map((job, order) => ({ ...job!, order })))!;
    ended(merged(a1, a2), 4);
    expect(done).toEqual([]);
    ended(b1!, 1);
    ended(b2!, 2);
    expect(done).toEqual(['two']);
    ended(b1!, 1);
    expect(done).toEqual(['two', 'one']);
  });
});

test('a batch that a lane merged of several sources is looked at message by message', () => {
  const address: Address = { perMessage: false, target: ({ source }) => ({ key: source }) };
  const messages = [message(1, { source: 'x' }), message(2, { source: 'y' }), message(3, { source: 'x' })];
  const parts = byTarget(address, { ...batch(messages), source: '' });
  expect(parts.map(({ target, messages }) => [target.key, numbersOf(messages)])).toEqual([
    ['x', [1, 3]],
    ['y', [2]],
  ]);
});
