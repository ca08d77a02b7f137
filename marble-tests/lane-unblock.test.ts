import { describe, expect, test } from '@jest/globals';
import { delivery } from '../test/deliver/fixtures.ts';
import { type MemorySpool, memorySpool } from '../test/deliver/memory-spool.ts';
import { play, type Scene, type Stage } from '../test/deliver/stage.ts';

/** Ten messages of 100 bytes fill the lane; its backend is dead from the first send on. */
const dead: Scene = {
  answers: ['#'],
  options: { queueMaxBytes: 1000, stallAfterMs: 20, breaker: { failures: 1, resetAfterMs: 10_000 } },
};

function playWith(scene: Scene, script: (stage: Stage) => void) {
  let spool: MemorySpool | undefined;
  const open: Scene['spool'] = (scheduler) => {
    spool = memorySpool(scheduler);
    return spool.open;
  };
  const record = play({ ...scene, spool: open }, script);
  return { ...record, spool: spool! };
}

const offerEach = ({ lane }: Stage, first: number, last: number, whenFull: 'block' | 'shed' | 'spill') => {
  for (let n = first; n <= last; n++) lane.offer(delivery([n], { whenFull }));
};

const count = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => first + i);

describe('the last rule that blocked was edited', () => {
  const edited = (to: 'shed' | 'spill', inForce: () => boolean = () => false) => {
    let blocks = () => true;
    const options = { ...dead.options, blocks: () => blocks() };
    return playWith({ ...dead, options }, (stage) => {
      offerEach(stage, 1, 12, 'block');
      stage.at(50, () => {
        blocks = inForce;
        stage.lane.review();
      });
      stage.at(60, () => offerEach(stage, 13, 30, to));
      stage.at(70, () => stage.lane.close(100));
    });
  };

  test('to spill: what waits goes to disk, what comes too, in order, and the input is read on', () => {
    const { full, outcomes, spool } = edited('spill');
    expect(full.slice(0, 3)).toEqual(['0 false', '0 true', '51 false']);
    expect(outcomes).toEqual([]);
    expect(spool.seen).toEqual(count(1, 30));
    expect(spool.kept()).toEqual(count(1, 30));
  });

  test('to shed: what came before is on disk and not shed', () => {
    const { full, outcomes, spool } = edited('shed');
    expect(full).toEqual(['0 false', '0 true', '51 false']);
    expect(outcomes[0]).toBe('60 shed queue_full 13');
    expect(spool.kept().slice(-12)).toEqual(count(1, 12));
  });

  test('while another rule still blocks, the input waits', () => {
    const { full } = edited('spill', () => true);
    expect(full).toEqual(['0 false', '0 true', '70 false']);
  });
});

describe('a stop has begun', () => {
  test('what a rule that blocks has waiting goes to disk, what comes too, and the input is read on', () => {
    const { full, outcomes, spool } = playWith(dead, (stage) => {
      offerEach(stage, 1, 12, 'block');
      stage.at(50, stage.lane.unblock);
      stage.at(60, () => offerEach(stage, 13, 15, 'block'));
      stage.at(70, () => stage.lane.close(100));
    });
    expect(full).toEqual(['0 false', '0 true', '51 false']);
    expect(outcomes).toEqual([]);
    expect(spool.seen).toEqual(count(1, 15));
    expect(spool.kept()).toEqual(count(1, 15));
  });

  test('a rule that sheds sheds no more', () => {
    const { outcomes, spool } = playWith(dead, (stage) => {
      offerEach(stage, 1, 8, 'shed');
      stage.at(50, stage.lane.unblock);
      stage.at(60, () => offerEach(stage, 9, 30, 'shed'));
      stage.at(70, () => stage.lane.close(100));
    });
    expect(outcomes).toEqual([]);
    expect(spool.kept()).toEqual(count(1, 30));
  });

  test('a backend that is slow holds up the input for a second at most', () => {
    const slow: Scene = {
      answers: [`${'-'.repeat(900)}|`],
      options: { queueMaxBytes: 1000, stallAfterMs: 5000, sendTimeoutMs: 10_000 },
    };
    const { full } = playWith(slow, (stage) => {
      offerEach(stage, 1, 20, 'block');
      stage.at(500, stage.lane.unblock);
      stage.at(2000, () => stage.lane.close(100));
    });
    expect(full).toEqual(['0 false', '0 true', '1001 false']);
  });

  test('… and for no longer because of what it had before it began to spill', () => {
    const slow: Scene = {
      answers: [`${'-'.repeat(3000)}|`],
      options: { queueMaxBytes: 1000, stallAfterMs: 5000, sendTimeoutMs: 10_000 },
    };
    const { full, spool } = playWith(slow, (stage) => {
      offerEach(stage, 1, 12, 'block');
      offerEach(stage, 13, 14, 'spill');
      stage.at(5500, stage.lane.unblock);
      stage.at(7000, () => stage.lane.close(100));
    });
    expect(spool.seen).toEqual([13, 14]);
    expect(full).toEqual(['0 false', '0 true', '5500 false']);
  });

  test('without a spool the input waits as before', () => {
    const { full } = play(dead, (stage) => {
      offerEach(stage, 1, 12, 'block');
      stage.at(50, stage.lane.unblock);
      stage.at(70, () => stage.lane.close(100));
    });
    expect(full).toEqual(['0 false', '0 true', '70 false']);
  });
});
