import { afterEach, expect, test } from '@jest/globals';
import { ask, closeAll, JOB, open, sourcesOf, tracesOf } from './serving.ts';

afterEach(closeAll);

test.each(['', 'job-12345', 'postgres:now', '!', '[1,"job-12345"]'])('refuses cursor=%s', async (cursor) => {
  const { address } = await open();
  const answer = await ask(address, `/api/v1/jobs?cursor=${encodeURIComponent(cursor)}`);
  expect([answer.status, JSON.parse(answer.body)]).toEqual([
    400,
    { error: 'cursor is not understood', hint: 'give the `next` of the page before' },
  ]);
});

test.each(['jobs/job-12345', `traces/${JOB.trace_ids[0]}`])(
  'pages of a timeline that has a message twice end: %s',
  async (path) => {
    const [entry] = JOB.timeline;
    const timeline = ['a', 'b', 'b', 'c'].map((id) => ({ ...entry!, id }));
    const { address } = await open(sourcesOf({ traces: tracesOf([{ ...JOB, timeline }]) }));
    const ids: string[] = [];
    let cursor = '';
    for (let pages = 0; pages < 10; pages++) {
      const { body } = await ask(address, `/api/v1/${path}?limit=1${cursor}`);
      const page = JSON.parse(body);
      ids.push(page.timeline[0].id);
      if (page.next === undefined) break;
      cursor = `&cursor=${page.next}`;
    }
    expect(ids.join('')).toBe('abc');
  },
);
