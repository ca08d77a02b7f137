// One schedule, played: clients send, things go wrong, all is healed, and then the books are balanced.
import type { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { Server } from '../postgres-server.ts';
import { closeAll, connectTo, line, type RunningSidecar, until } from '../processes.ts';
import { samplesOf, sumOf } from '../prometheus.ts';
import { createLedger, type Judgement, type Ledger } from './ledger.ts';
import { createRandom, describeSchedule, type Fault, type Schedule } from './schedule.ts';
import { createWorld, type World } from './world.ts';

/** What came of a schedule. */
export interface Result {
  readonly schedule: Schedule;
  readonly sent: number;
  readonly owed: number;
  /** Each is a promise that was broken; none is good. */
  readonly broken: readonly string[];
  /** Records that are twice in the file, as after a crash they may be. */
  readonly duplicated: number;
}

const SOURCES = ['alpha', 'beta', 'gamma'];
const BACKENDS = ['db', 'files'];
const MAX_BLOCK = 300;
/** Clients wait so long for their records to be durable, and then send more. */
const IMPATIENCE_MS = 250;
const POLL_MS = 15;
/** A sidecar that is stopped does not answer at all. */
const ANSWER_MS = 1000;
/** After these a record may be in the file twice; the log of PostgreSQL's rows knows each by its id. */
const REPEATS = ['sidecar', 'folder', 'disk'];

/** Plays a schedule against a PostgreSQL. Rejects only if it could not be played. */
export async function play(schedule: Schedule, server: Server): Promise<Result> {
  const world = await createWorld(server);
  try {
    const ledger = createLedger();
    const lives = watchLives(ledger);
    const random = createRandom(schedule.seed + 1);
    let isOver = false;
    const broken: string[] = [];
    const failed = (what: string) => (error: Error) => void broken.push(`${what}: ${error.message}`);
    const clients = SOURCES.map((source) =>
      runClient(source, world, lives, random, () => isOver).catch(failed('a client')),
    );
    const audit = runAudit(world, lives, () => isOver);
    await sufferAll(schedule.faults, world).catch(failed('a fault'));
    isOver = true;
    await Promise.all([...clients, audit]);
    await settle(world, lives).catch(failed('after healing'));
    const exit = await world.sidecar().stop();
    if (exit !== 0) broken.push(`it ended with ${exit}`);
    const { found, torn } = world.lines();
    const [rows, lines] = [ledger.judge(await world.rows()), ledger.judge(found)];
    const mayRepeat = schedule.faults.some(({ subject }) => REPEATS.includes(subject));
    broken.push(...faultsOf('db', { ...rows, disordered: 0 }, false), ...faultsOf('files', lines, mayRepeat));
    // A kill within a write leaves half a line, as where the disk took only a part; the next start ends it.
    const kills = schedule.faults.filter(({ kind }) => kind === 'SIGKILL').length;
    if (torn > kills) broken.push(`files: ${torn} torn lines, of ${kills} kills`);
    if (broken.length > 0) broken.push(world.sidecar().stderr().slice(-3000));
    return { schedule, sent: ledger.sent(), owed: ledger.owed(), broken, duplicated: lines.duplicated };
  } finally {
    await world.close();
    await closeAll();
  }
}

function faultsOf(backend: string, judged: Judgement, mayRepeat: boolean): string[] {
  const { missing, foreign, duplicated, disordered } = judged;
  const all: [number, string][] = [
    [missing.length, `owed and missing (${missing.slice(0, 5).join(', ')} …)`],
    [foreign, 'never sent'],
    [mayRepeat ? 0 : duplicated, 'duplicated'],
    [disordered, 'out of order'],
  ];
  return all.filter(([count]) => count > 0).map(([count, what]) => `${backend}: ${count} ${what}`);
}

/** Does all faults at their times; those of one subject wait for each other. */
async function sufferAll(faults: readonly Fault[], world: World): Promise<void> {
  const startedMs = performance.now();
  const subjects = [...new Set(faults.map(({ subject }) => subject))];
  await Promise.all(
    subjects.map(async (subject) => {
      for (const fault of faults.filter((one) => one.subject === subject)) {
        await pause(Math.max(0, fault.atMs - (performance.now() - startedMs)));
        await world.suffer(fault);
      }
    }),
  );
  await pause(100);
}

/** The life of one process of the sidecar: which numbers it was sent, and how many of them are durable. */
interface Life {
  /** By source: the first number that it was sent. */
  readonly first: Map<string, number>;
  readonly durable: Map<string, number>;
}

interface Lives {
  readonly ledger: Ledger;
  of(sidecar: RunningSidecar): Life;
}

function watchLives(ledger: Ledger): Lives {
  const lives = new Map<RunningSidecar, Life>();
  return {
    ledger,
    of: (sidecar) => {
      const life = lives.get(sidecar) ?? { first: new Map(), durable: new Map() };
      lives.set(sidecar, life);
      return life;
    },
  };
}

/** Sends blocks of records, each once what went before is durable or its patience is over; connects anew when it must. */
async function runClient(
  source: string,
  world: World,
  { ledger, of }: Lives,
  random: () => number,
  isOver: () => boolean,
): Promise<void> {
  while (!isOver()) {
    const sidecar = world.sidecar();
    const socket = await connectTo({ port: sidecar.port }).catch(() => undefined);
    if (socket === undefined || !sidecar.isRunning()) {
      await pause(POLL_MS);
      continue;
    }
    const life = of(sidecar);
    life.first.set(source, ledger.send(source, 0));
    while (!isOver() && isOpen(socket)) {
      const count = 1 + Math.floor(random() * MAX_BLOCK);
      const from = ledger.send(source, count);
      socket.write(Array.from({ length: count }, (_, n) => line(from + n, source)).join(''));
      const endMs = performance.now() + IMPATIENCE_MS;
      const isDurable = () => (life.durable.get(source) ?? 0) >= from + count;
      while (!isOver() && isOpen(socket) && !isDurable() && performance.now() < endMs) await pause(POLL_MS);
    }
    socket.end();
    // A connection ends with its process, which is known to have ended a moment later.
    await until(() => isOver() || !sidecar.isRunning(), `the sidecar, which has left ${source}, ends`);
  }
}

const isOpen = (socket: Socket) => !socket.destroyed && !socket.readableEnded;

/** Notes in the ledger, again and again, what the sidecar says is durable. */
async function runAudit(world: World, lives: Lives, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    await note(world.sidecar(), lives).catch(() => {});
    await pause(POLL_MS);
  }
}

/** Once what it received has left its batches and nothing waits to be written to a spool, all of that is durable. */
async function note(sidecar: RunningSidecar, { ledger, of }: Lives): Promise<string> {
  const response = await fetch(`http://${sidecar.listening.http}/metrics`, {
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  const metrics = await response.text();
  const received = sumOf(metrics, 'sidecar_received_total');
  const isDurable =
    sumOf(metrics, 'sidecar_batched_messages_total') === received &&
    sumOf(metrics, 'sidecar_spool_pending_bytes') === 0 &&
    outcomesBut(metrics, 'delivered') === 0;
  const { first, durable } = of(sidecar);
  for (const [source, from] of isDurable ? first : []) {
    const to = from + sumOf(metrics, 'sidecar_received_total', { source });
    ledger.owe(source, from, to);
    durable.set(source, to);
  }
  return metrics;
}

const outcomesBut = (metrics: string, outcome: string): number =>
  samplesOf(metrics, 'sidecar_outcomes_total')
    .filter(({ labels }) => labels.outcome !== outcome)
    .reduce((sum, { value }) => sum + value, 0);

/** Waits until the last process owes all that it was sent, and has delivered all that it has. */
async function settle(world: World, lives: Lives): Promise<void> {
  const sidecar = world.sidecar();
  let metrics = '';
  await until(
    async () => {
      // On a loaded machine an answer may come late.
      metrics = await note(sidecar, lives).catch(() => metrics);
      const { first, durable } = lives.of(sidecar);
      const isAllOwed = [...first.keys()].every(
        (source) => durable.get(source) === lives.ledger.send(source, 0),
      );
      return isAllOwed && BACKENDS.every((backend) => sumOf(metrics, 'sidecar_in_flight', { backend }) === 0);
    },
    'all is delivered',
    () => `${metrics.match(/^sidecar_(in_flight|outcomes|spool|received|batched|breaker).*$/gm)?.join('\n')}`,
  );
}

/** A result in a line or, if promises were broken, in several. */
export function describeResult({ schedule, sent, owed, broken, duplicated }: Result): string {
  const repeated = duplicated > 0 ? `, ${duplicated} twice in the file` : '';
  const counts = `seed ${schedule.seed}: ${sent} sent, ${owed} owed${repeated}`;
  return broken.length === 0
    ? counts
    : [`${counts}: BROKEN`, describeSchedule(schedule), ...broken].join('\n  ');
}
