import { afterEach, expect, test } from '@jest/globals';
import { ask, closeAll, open } from './serving.ts';

afterEach(closeAll);

test.each(['', 'job-12345', 'postgres:now', '!', '[1,"job-12345"]'])('refuses cursor=%s', async (cursor) => {
  const { address } = await open();
  const answer = await ask(address, `/api/v1/jobs?cursor=${encodeURIComponent(cursor)}`);
  expect([answer.status, JSON.parse(answer.body)]).toEqual([
    400,
    { error: 'cursor is not understood', hint: 'give the `next` of the page before' },
  ]);
});
