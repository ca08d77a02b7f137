import { openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { createLog } from '../src/log.ts';
import { closeAll, createFolder } from './processes.ts';

afterEach(closeAll);

test('what is logged once the log is given up is dropped, and fails nobody', async () => {
  const path = join(createFolder(), 'log');
  const log = createLog(openSync(path, 'w'), { level: 'info', human: false, colour: false });
  log.info({ n: 1 }, 'before');
  await log.written();
  log.abandon();
  log.info({ n: 2 }, 'after');
  expect(readFileSync(path, 'utf8').split('\n')).toEqual([expect.stringContaining('"msg":"before"'), '']);
});
