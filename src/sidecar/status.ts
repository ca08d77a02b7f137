import { redact } from '../config/redact.ts';
import type { LaneStats, StuckTargets } from '../deliver/lane.ts';
import type { SpoolGauge } from '../deliver/spools.ts';
import type { ConfigView, Readiness, ReloadView } from '../http/sources.ts';
import type { Json } from '../message.ts';
import type { LaneGauge } from '../metrics.ts';
import type { Draft } from './draft.ts';
import { type Loss, warningOf } from './losses.ts';

/** How far a sidecar is, and with which configuration. */
export interface State {
  readonly phase: 'starting' | 'running' | 'stopping';
  readonly draft: Draft;
  /** When the configuration was applied, RFC 3339. */
  readonly loaded: string;
  readonly lastReload: ReloadView | null;
}

/** Whether the file on disk now was rejected. */
export const rejectedOnDisk = ({ lastReload }: Pick<State, 'lastReload'>): boolean =>
  lastReload?.result === 'rejected';

/** For how long refused messages deserve attention. */
const REFUSED_MS = 60_000;

/** Whether the sidecar takes and delivers messages, and what deserves attention. */
export function readiness(
  { phase, lastReload }: State,
  lanes: ReadonlyMap<string, LaneStats>,
  exposed: readonly string[],
  spools: readonly SpoolGauge[] = [],
  losses: readonly Loss[] = [],
): Readiness {
  const open = [...lanes].filter(([, { breaker }]) => breaker !== 'closed');
  const refusing = [...lanes].filter(([, { buriedAgoMs }]) => buriedAgoMs < REFUSED_MS);
  const allDown = open.length > 0 && open.length === lanes.size;
  return {
    ready: phase === 'running' && !allDown,
    reasons: [
      ...(phase === 'running' ? [] : [`the sidecar is ${phase}`]),
      ...(allDown ? ['no backend answers'] : []),
    ],
    warnings: [
      ...exposed.map((address) => `everyone who reaches ${address} may send`),
      ...open.map(([backend, { lastError }]) => `backend ${backend} fails: ${lastError}`),
      ...[...lanes].flatMap(([backend, { breaker, stuck }]) =>
        breaker === 'closed' && stuck !== undefined ? [waitingOf(backend, stuck)] : [],
      ),
      ...refusing.map(
        ([backend, { buriedError }]) =>
          `backend ${backend} refused messages, which are dead letters now: ${buriedError}`,
      ),
      ...losses.map(warningOf),
      ...spools
        .filter(({ isFailing }) => isFailing)
        .map(({ backend }) => `backend ${backend}: its spool cannot be used`),
      ...spools
        .filter(({ isHanging }) => isHanging)
        .map(({ backend }) => `backend ${backend}: the disk of its spool does not answer`),
      ...spools
        .filter(({ messages }) => messages > 0)
        .map(({ backend, messages }) => `backend ${backend}: ${messages} messages wait on disk`),
      ...(lastReload?.result === 'rejected' ? ['the configuration on disk was rejected'] : []),
    ],
  };
}

const waitingOf = (backend: string, { targets, target, error }: StuckTargets) =>
  `backend ${backend}: messages for ${target}${targets > 1 ? ` and ${targets - 1} more` : ''} wait: ${error}`;

/** The running configuration, secrets redacted, and what became of the last edit. */
export const configView = (
  { draft, loaded, lastReload }: State,
  place: Pick<ConfigView, 'file' | 'data_dir' | 'listening' | 'history'>,
): ConfigView => ({
  ...place,
  hash: draft.hash,
  loaded,
  config: redact(draft.config) as Json,
  last_reload: lastReload,
  rejected_on_disk: rejectedOnDisk({ lastReload }),
});

/** A lane as the metrics show it. */
export const laneGauge = (backend: string, stats: LaneStats): LaneGauge => ({
  backend,
  messages: stats.inFlightMessages,
  bytes: stats.queueBytes,
  oldestMs: stats.oldestMs,
  breaker: stats.breaker === 'half-open' ? 'half_open' : stats.breaker,
});
