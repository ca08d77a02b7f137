import { startServer } from '../postgres-server.ts';
import { describeResult, play } from './play.ts';
import { scheduleOf } from './schedule.ts';
import { canMount } from './world.ts';

/** How many schedules, and from which seed on. */
export interface Options {
  readonly schedules: number;
  readonly seed: number;
  readonly say: (text: string) => void;
}

/** Plays the schedules of so many seeds; resolves to those that broke a promise, each as a text. */
export async function playAll({ schedules, seed, say }: Options): Promise<readonly string[]> {
  const isMountable = canMount();
  if (!isMountable) say('left out: full disks, as only a superuser may mount a small one');
  const server = await startServer();
  const broken: string[] = [];
  try {
    for (let n = 0; n < schedules; n++) {
      const schedule = scheduleOf(seed + n, (subject) => subject !== 'disk' || isMountable);
      const result = await play(schedule, server);
      const text = describeResult(result);
      say(text);
      if (result.broken.length > 0) broken.push(text);
    }
  } finally {
    await server.remove();
  }
  return broken;
}
