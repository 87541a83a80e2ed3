import { setImmediate } from 'node:timers/promises';
import { FakeClock } from '@fso/shared/fake-clock';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { expect } from 'vitest';
import type { KeyedStore, Ledger, LedgerHealth } from '../../ledger/index.ts';
import { createMemoryLedger } from '../../ledger/testing/memory-ledger.ts';
import { createHubMetrics } from '../../metrics.ts';
import { Alerts, type AlertsDeps } from '../alerts.ts';
import { AlertsFile } from '../file/alerts-file-reader.ts';
import type { Issue } from '../issue.ts';
import { alertsConfig, openAlertsFolder } from './alerts-files.ts';
import { type ReceiverServer, startReceiverServer } from './receiver-server.ts';

/** An issue of the cluster eu. */
export const AWAY: Issue = {
  alert: 'ClusterAway',
  severity: 'warning',
  labels: { cluster: 'eu' },
  problem: 'Not connected.',
  since: null,
  isCurrent: true,
};

/** Loops of one hub: it evaluates the fleet, watches the ledger and sends alerts again. */
const LOOPS = 3;

/** Findings of the hubs, set by the test. */
interface HubState {
  issues: Issue[];
  /** Number of times that the issues were listed, and milliseconds that one time takes. */
  looks: number;
  listMs: number;
  health: LedgerHealth;
  pausedMs: number;
  /** Whether agents are yet to be let in or to report. */
  isAwaitingAgents: boolean;
  beforeWrite: (kind: string) => Promise<void>;
}

/** A hub that leads. */
export interface LeadingHub {
  readonly alerts: Alerts;
  readonly end: () => Promise<void>;
}

/** Hubs that lead one after the other, on one ledger and with one receiver. */
export interface AlertingHubs extends AsyncDisposable {
  readonly clock: FakeClock;
  readonly ledger: Ledger;
  readonly server: ReceiverServer;
  readonly state: HubState;
  readonly registry: Registry;
  /** Changes the route of the alerts file. */
  readonly reroute: (route: string) => Promise<string>;
  readonly start: () => LeadingHub;
  /** Lets minutes pass in which the hub does all that it is to do. */
  readonly pass: (minutes: number) => Promise<void>;
  /** Advances the clock until the condition holds. */
  readonly until: (look: () => boolean) => Promise<void>;
  /** Idempotency keys of the notifications that came. */
  readonly keys: () => (string | string[] | undefined)[];
  /** Statuses of the notifications that came. */
  readonly statuses: () => string[];
}

/** Time of a hub that leads. */
const passTime = (clock: FakeClock): Pick<AlertingHubs, 'pass' | 'until'> => ({
  pass: async (minutes) => {
    for (let second = 0; second < minutes * 60; second += 1) {
      await clock.advance(1_000);
      while (clock.sleeping < LOOPS) await setImmediate();
    }
  },
  until: (look) =>
    expect
      .poll(async () => {
        await clock.advance(1_000);
        return look();
      })
      .toBe(true),
});

/** Returns the ledger with the health, and what comes before each write, that the test sets. */
const steeredLedger = (ledger: Ledger, state: HubState): Ledger => {
  const update: KeyedStore['update'] = async (kind, name, change) => {
    await state.beforeWrite(kind);
    return ledger.records.update(kind, name, change);
  };
  return { ...ledger, records: { ...ledger.records, update }, health: () => state.health };
};

/** Begins to run the alerts of a hub. */
const startHub = (deps: Omit<AlertsDeps, 'logger' | 'random' | 'hubUrl'>): LeadingHub => {
  const stop = new AbortController();
  const logger = pino({ level: 'silent' });
  const alerts = new Alerts({ ...deps, logger, random: () => 0.5, hubUrl: 'https://fso.example.com' });
  const done = alerts.run(stop.signal);
  return {
    alerts,
    end: async () => {
      stop.abort();
      await done;
    },
  };
};

/** Opens what the hubs share. @param awayFor how long a cluster is away before the alert fires */
export const openAlertingHubs = async (
  route = '{receiver: hook, groupWait: 0s, groupInterval: 10s, repeatInterval: 1h}',
  awayFor = '5s',
): Promise<AlertingHubs> => {
  const clock = new FakeClock();
  const ledger = createMemoryLedger({ clock });
  const folder = await openAlertsFolder();
  const server = await startReceiverServer();
  const secret = await folder.secret('hmac', 'secret');
  const textOf = (routeText: string): string => `
receivers:
  - {name: hook, webhook: {url: "${server.url}", secretFile: ${secret}}}
  - {name: second, alertmanager: {url: "${server.url}/am"}}
route: ${routeText}
rules: {ClusterAway: {for: ${awayFor}}}
`;
  const config = alertsConfig(textOf(route));
  const path = await folder.write('alerts.yaml', textOf(route));
  const state: HubState = {
    issues: [],
    looks: 0,
    listMs: 0,
    health: { ok: true },
    pausedMs: 0,
    isAwaitingAgents: false,
    beforeWrite: async () => undefined,
  };
  const registry = new Registry();
  const { alerts: metrics } = createHubMetrics(registry);
  return {
    clock,
    ledger,
    server,
    state,
    registry,
    reroute: (routeText) => folder.write('alerts.yaml', textOf(routeText)),
    start: () =>
      startHub({
        ledger: steeredLedger(ledger, state),
        issues: async () => {
          state.looks += 1;
          if (state.listMs > 0) await clock.sleep(state.listMs, new AbortController().signal);
          return { hub: [], policies: [], clusters: new Map([['eu', state.issues]]) };
        },
        file: new AlertsFile(path, config, pino({ level: 'silent' })),
        clock,
        pausedMs: () => state.pausedMs,
        isAwaitingAgents: () => state.isAwaitingAgents,
        metrics,
      }),
    ...passTime(clock),
    keys: () => server.received.map(({ headers }) => headers['idempotency-key']),
    statuses: () => server.received.map(({ body }) => (JSON.parse(body) as { status: string }).status),
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
};
