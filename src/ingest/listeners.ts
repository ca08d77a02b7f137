import { lastValueFrom, merge, mergeAll, type Observable, Subject } from 'rxjs';
import type { Context } from '../context.ts';
import { clash } from '../hosts.ts';
import type { Address } from './address.ts';
import type { Connection } from './connection.ts';
import { type Listener, type ListenOptions, openListener } from './listen.ts';

/** The open listeners, kept as the configuration wants them while connections stay. */
export interface Listeners {
  /** Clients of all listeners, those replaced included; for one subscriber. Completes after `drain`. */
  readonly connection$: Observable<Connection>;
  /**
   * Opens what is missing, then closes the ports that are not wanted any more; their connections stay. Rejects,
   * with nothing changed, if something cannot be opened, or if it drains before all is open.
   */
  apply(wanted: readonly ListenOptions[]): Promise<void>;
  /** What is really bound: `host:port` or a socket's path, in the order wanted. */
  addresses(): readonly string[];
  /** Addresses at which anyone on the network may send. */
  exposed(): readonly string[];
  connections(): number;
  /** Which SDKs the open connections say they are; '' for each that has not said. */
  sdks(): readonly string[];
  /** Bytes that came in so far. */
  bytesRead(): number;
  /** Closes all ports and drains all connections, see `Listener.drain`. */
  drain(deadlineMs: number): Observable<number>;
}

interface Open {
  /** Equal options are the same listener. */
  readonly key: string;
  readonly options: ListenOptions;
  readonly listener: Listener;
}

/** Nothing is open until `apply`. While the latest `pause$` is true, no connection of any listener is read. */
export function createListeners(pause$: Observable<boolean>, context: Context): Listeners {
  const opened$ = new Subject<Observable<Connection>>();
  let current: readonly Open[] = [];
  /** Replaced listeners that still have connections. */
  let retired: readonly Listener[] = [];
  let bytesOfGone = 0;
  let isDraining = false;

  const open = async (options: ListenOptions): Promise<Open> => {
    const listener = await openListener(options, pause$, context);
    return { key: keyOf(options), options, listener };
  };
  const stop = ({ listener }: Open) => listener.stopAccepting();

  const refuseWhenDraining = () => {
    if (isDraining) throw new Error('the sidecar is stopping');
  };

  const announce = (opened: readonly Open[]) => {
    for (const { listener } of opened) opened$.next(listener.connection$);
  };

  /** Opens listeners one by one; those opened before a failure are closed again. */
  const openAll = async (wanted: readonly ListenOptions[]): Promise<Open[]> => {
    const opened: Open[] = [];
    try {
      for (const options of wanted) {
        refuseWhenDraining();
        opened.push(await open(options));
      }
      refuseWhenDraining();
      return opened;
    } catch (error) {
      await Promise.all(opened.map(({ listener }) => lastValueFrom(listener.drain(0), { defaultValue: 0 })));
      throw error;
    }
  };

  const apply = async (wanted: readonly ListenOptions[]): Promise<void> => {
    const missing = wanted.filter((options) => !current.some(({ key }) => key === keyOf(options)));
    const left = current.filter(({ key }) => !wanted.some((options) => keyOf(options) === key));
    // One whose port stays cannot open beside the old one, which goes first.
    const inTheWay = left.filter(({ options }) =>
      missing.some((one) => exclude(one.address, options.address)),
    );
    await Promise.all(inTheWay.map(stop));
    const opened = await openAll(missing).catch(async (error: unknown) => {
      const reopened = await openAll(inTheWay.map(({ options }) => options));
      announce(reopened);
      current = current.map((one) => reopened.find(({ key }) => key === one.key) ?? one);
      throw error;
    });
    announce(opened);
    const kept = [...current, ...opened];
    // At once: a drain that begins now has to reach all of them.
    current = wanted.flatMap((options) => kept.find(({ key }) => key === keyOf(options)) ?? []);
    retired = [...retired, ...left.map(({ listener }) => listener)];
    await Promise.all(left.map(stop));
    for (const one of retired) if (one.connections() === 0) bytesOfGone += one.bytesRead();
    retired = retired.filter((one) => one.connections() > 0);
  };

  const all = () => [...current.map(({ listener }) => listener), ...retired];

  return {
    // mergeAll: every listener's clients, side by side
    connection$: opened$.pipe(mergeAll()),
    apply,
    addresses: () => current.map(({ listener }) => listener.address),
    exposed: () => current.flatMap(({ listener }) => (listener.isExposed ? [listener.address] : [])),
    connections: () => all().reduce((sum, listener) => sum + listener.connections(), 0),
    sdks: () => all().flatMap((listener) => listener.sdks()),
    bytesRead: () => all().reduce((sum, listener) => sum + listener.bytesRead(), bytesOfGone),
    drain: (deadlineMs) => {
      isDraining = true;
      opened$.complete();
      // merge: all drain side by side, within one deadline
      return merge(...all().map((listener) => listener.drain(deadlineMs)));
    },
  };
}

const keyOf = (options: ListenOptions) => JSON.stringify(options);

/** Whether only one of two listeners can be open. */
function exclude(a: Address, b: Address): boolean {
  if ('path' in a || 'path' in b) return 'path' in a && 'path' in b && a.path === b.path;
  return clash(a, b);
}
