import { expect, test } from '@jest/globals';
import { item, rig } from './fixtures.ts';
import { memoryDisk } from './memory-disk.ts';

test('the log is told of what goes at once, then every five seconds, and at the end', async () => {
  const { spool, lost, log, time } = rig(memoryDisk(), { maxBytes: 4000 });
  const logged = () =>
    log.lines
      .filter(({ text }) => text === 'Messages of the spool are given up')
      .map(({ fields }) => fields.messages as number);
  const dropped = () => lost.reduce((sum, line) => sum + Number(line.split(' ')[1]), 0);
  const fill = async () => {
    for (let n = 0; n < 90; n++) {
      spool.append(item([n]));
      await spool.flush();
    }
  };
  await fill();
  const [first = 0] = logged();
  expect(logged()).toEqual([first]);
  expect(first).toBeLessThan(dropped());
  time.advance(5000);
  expect(logged()).toEqual([first, dropped() - first]);
  time.advance(5000);
  expect(logged()).toHaveLength(2);
  await fill();
  await spool.close();
  expect(logged().reduce((sum, one) => sum + one, 0)).toBe(dropped());
  expect(logged()).toHaveLength(4);
});
