import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Clock, type Logger, systemClock } from '@fso/shared/runtime';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { type Access, type AccessSettings, type AuditRecord, createAccess, type OnAudit } from '../../access/index.ts';
import { Alerts, type AlertsConfig, type AlertsDeps, AlertsFile } from '../../alerts/index.ts';
import { RevisionTargets } from '../../delivery/index.ts';
import { type AgentListenerIdentity, openIdentity } from '../../identity/index.ts';
import { AuditVerifier, createAuditKey, type Ledger } from '../../ledger/index.ts';
import { createMemoryLedger } from '../../ledger/testing/memory-ledger.ts';
import { createHubMetrics } from '../../metrics.ts';
import { Planner, type PreviewingAgents, type RepositoryBranches } from '../../plans/index.ts';
import { scriptedBranches } from '../../plans/testing/scripted-branches.ts';
import { createRolloutRecord, type RolloutRecord, WaveController, type WaveControllerDeps, writeRollout } from '../../rollout/index.ts';
import { createPolicyDocuments } from '../../source/index.ts';
import { type ApiConfig, type ApiDeps, type ApiRuntime, createApi } from '../api.ts';
import { FleetReader } from '../fleet/fleet-reader.ts';
import { IssueLister } from '../issues/issue-lister.ts';
import type { StreamOptions } from '../live/broadcast.ts';
import { clusterReport, desiredOf, gitObjectsOf, policyReport, REVISION, report, TIME } from './fleet.ts';

/** API server of a test, with what stands behind it. */
export interface ApiHarness extends AsyncDisposable {
  readonly url: string;
  readonly ledger: Ledger;
  readonly access: Access;
  readonly identity: AgentListenerIdentity['identity'];
  readonly rollout: WaveController;
  hints: number;
  /** Number of connected clients. */
  connections(): Promise<number>;
  /** Audit records of all changes that callers made, or tried to make. */
  readonly audit: readonly AuditRecord[];
}

interface HarnessParts {
  readonly clock?: Clock;
  readonly onAudit?: OnAudit;
  /** Default: one in memory. */
  readonly ledger?: Ledger;
  /** Folder of its tokens and identity. Default: one that is removed with the server. */
  readonly folder?: string;
  readonly shutdown?: ApiRuntime['shutdown'];
  /** Default: none can be asked. */
  readonly agents?: Partial<ApiDeps['agents'] & PreviewingAgents>;
  /** Default: none beside the followed one. */
  readonly branches?: RepositoryBranches;
  /**
   * Receivers of alerts, for a hub that evaluates them. Default: no receivers and no evaluation.
   */
  readonly alertsConfig?: AlertsConfig;
  /** Default: a text that is no backup. */
  readonly backup?: ApiDeps['backup'];
  /** Default: none. */
  readonly logger?: Logger;
}

type HarnessConfig = Partial<ApiConfig> & AccessSettings & HarnessParts;

/** Identity of a hub that makes its own CA. */
const WITHOUT_FILES = {
  ca: undefined,
  agentTls: undefined,
  agentListen: { host: '127.0.0.1', port: 0 },
  hostnames: [],
  agentTokens: new Map<string, string>(),
};

const createAlerts = (deps: Omit<AlertsDeps, 'pausedMs' | 'isAwaitingAgents' | 'random' | 'metrics'>): Alerts =>
  new Alerts({
    ...deps,
    pausedMs: () => 0,
    isAwaitingAgents: () => false,
    random: () => 0.5,
    metrics: createHubMetrics(new Registry()).alerts,
  });

/** Opens the rollouts of a hub without agents. */
const openRollout = (deps: Pick<WaveControllerDeps, 'ledger' | 'clock' | 'logger'>): WaveController =>
  new WaveController({
    ...deps,
    targets: new RevisionTargets(),
    delivery: { connected: () => [], publish: () => undefined },
    source: {
      read: async () => undefined,
      hint: () => undefined,
      objects: { chain: async () => null },
      approvals: { problemsOf: () => [] },
      state: () => ({ url: '', ref: 'main', revision: null, rejected: null, error: null, lastFetch: null }),
    },
  });

/** The API over a real listener and the real in-memory ledger, for tests. */
export const startApiHarness = async (
  config: HarnessConfig = {},
  stream: StreamOptions = { windowMs: 5 },
  auditKey = createAuditKey().id,
): Promise<ApiHarness> => {
  const started = { hints: 0, audit: [] as AuditRecord[] };
  const {
    apiToken,
    oidc,
    publicUrl,
    clock = systemClock,
    onAudit,
    ledger = createMemoryLedger({ clock }),
    folder: kept,
    shutdown,
    agents,
    branches = scriptedBranches(),
    alertsConfig,
    backup = async (target) => void target.end('a backup'),
    logger = pino({ level: 'silent' }),
    ...apiConfig
  } = config;
  const folder = kept ?? join(tmpdir(), `fso-test-${randomUUID()}`);
  const access = createAccess({ apiToken, oidc, publicUrl }, { records: ledger.records, clock, logger });
  const { identity } = await openIdentity(
    { ...WITHOUT_FILES, dataDir: folder },
    { clock, logger, records: ledger.records, onEvent: async () => undefined },
  );
  const objects = gitObjectsOf();
  const fleet = new FleetReader({ ledger, clock, version: '0.1.0' });
  const verifier = new AuditVerifier({ audit: ledger.audit, key: auditKey, clock });
  const rollout = openRollout({ ledger, clock, logger });
  const health = () => ledger.health();
  const hub = { certificates: [], health, rollout: () => rollout.halted(), verifyAudit: () => verifier.verify() };
  const issues = new IssueLister({ fleet, hub, clock });
  const file = new AlertsFile(undefined, alertsConfig, logger);
  const alerts = createAlerts({ ledger, issues: (isNamed) => issues.list(isNamed), file, clock, logger, hubUrl: publicUrl });
  const stop = new AbortController();
  const running = alertsConfig === undefined ? undefined : alerts.run(stop.signal);
  const api = createApi(
    { auditKey, stream, ...apiConfig },
    {
      ledger,
      fleet,
      source: {
        hint: () => {
          started.hints += 1;
        },
        documents: createPolicyDocuments(async (id) => objects.get(id), clock),
      },
      agents: { inspect: async () => undefined, locate: async () => undefined, ...agents },
      plans: new Planner({ ledger, clock, branches, agents: { preview: async () => 'NotConnected', ...agents } }),
      access,
      alerts,
      rollout,
      issues,
      onAudit: onAudit ?? (async (record) => void started.audit.push(record)),
      enrolment: { identity, agentUrl: () => 'wss://hub.example.com:8443' },
      backup,
      runtime: { clock, logger, registry: new Registry(), shutdown },
    },
  );
  const server: Server = createServer(api);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return Object.assign(started, {
    url: `http://127.0.0.1:${port}`,
    ledger,
    access,
    identity,
    rollout,
    connections: () => promisify(server.getConnections.bind(server))(),
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      if (kept === undefined) await rm(folder, { recursive: true, force: true });
    },
  });
};

/** Builds a rollout record like the hub's. */
export const commitRollout = (change: Partial<RolloutRecord> = {}): RolloutRecord =>
  createRolloutRecord({ sequence: 1, commit, noticed: TIME, enforced: TIME, ...change }, ['eu', 'us']);

const commit = { revision: REVISION, author: 'Ada', subject: 'Keep finance in the EU', time: TIME };

/** Two clusters at the revision in force; `us` has a violation. */
export const fillLedger = async (ledger: Ledger): Promise<void> => {
  await ledger.setSource({ url: 'http://git/policies', ref: 'main', revision: commit, rejected: null, error: null, lastFetch: TIME });
  await ledger.setDesired(desiredOf());
  await writeRollout(ledger.records, commitRollout());
  const violation = { kind: 'Pod', namespace: 'finance', name: 'api-1', node: 'n1', region: 'us-east-1', reason: 'outside', since: TIME };
  const reports = {
    eu: [policyReport('finance'), policyReport('hr', { enforcementAction: 'warn' })],
    us: [policyReport('finance', { violations: 1, violationSamples: [violation] })],
  };
  for (const [cluster, policies] of Object.entries(reports)) {
    await ledger.setConnected(cluster, true);
    await ledger.setOffered(cluster, REVISION);
    await ledger.setAck(cluster, { revision: REVISION, digest: 'd' });
    const event = {
      time: TIME,
      severity: 'info' as const,
      reason: 'PolicyActive',
      message: 'finance is enforced',
      policy: 'finance',
    };
    await ledger.applyReport(cluster, report({ cluster: clusterReport(), policies, events: [event] }));
  }
};
