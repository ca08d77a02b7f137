import { startServer } from '../postgres-server.ts';
import { describeResult, play } from './play.ts';
import { scheduleOf } from './schedule.ts';
import { canMount } from './world.ts';

/** How many schedules, and from which seed on. */
export interface Options {
  readonly schedules: number;
  readonly seed: number;
  readonly say: (text: string) => void;
  /** No further schedule is begun once it is aborted. */
  readonly signal: AbortSignal;
}

/** Plays the schedules of so many seeds; `broken` are those that broke a promise, each as a text. */
export async function playAll({
  schedules,
  seed,
  say,
  signal,
}: Options): Promise<{ readonly played: number; readonly broken: readonly string[] }> {
  const isMountable = canMount();
  if (!isMountable) say('left out: full disks, as only a superuser may mount a small one');
  const server = await startServer();
  const broken: string[] = [];
  let played = 0;
  try {
    for (; played < schedules && !signal.aborted; played++) {
      const schedule = scheduleOf(seed + played, (subject) => subject !== 'disk' || isMountable);
      const result = await play(schedule, server);
      const text = describeResult(result);
      say(text);
      if (result.broken.length > 0) broken.push(text);
    }
  } finally {
    await server.remove();
  }
  return { played, broken };
}
