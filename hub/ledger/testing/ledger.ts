import type { ClusterEvent, ClusterReport, PolicyReport, SourceView } from '@fso/shared/api';
import { type CompiledPolicy, digestOfPolicies, digestOfPolicy } from '@fso/shared/compile';
import { EMPTY_DIGEST, type Report } from '@fso/shared/protocol';
import { type Clock, systemClock } from '@fso/shared/runtime';
import { emptyReport } from '../../../test/harness/baselines.ts';
import { policyReport } from '../../../test/harness/policy-reports.ts';
import type { Desired } from '../types.ts';

/** Input of ledgers in tests. */

/** Time of all input. */
export const TIME = '2026-01-03T10:30:00.000Z';
/** Clock that stands at {@link TIME}. */
export const fixedClock: Clock = { ...systemClock, now: () => new Date(TIME) };

/** Builds the report of a policy that was applied in its cluster. */
export const policy = (name: string, change: Partial<PolicyReport> = {}): PolicyReport =>
  policyReport(name, {
    namespace: 'policies',
    managedBy: 'local',
    targetNamespace: 'finance',
    namespaces: ['finance'],
    lastUpdated: TIME,
    ...change,
  });

/** Builds the report of a cluster whose agent has accepted nothing. */
export const clusterReport = (change: Partial<ClusterReport> = {}): ClusterReport => ({
  revision: null,
  provenRevision: null,
  verification: 'unverified',
  agentVersion: '1',
  kubernetesVersion: '1',
  gatekeeper: { state: 'Ready' },
  nodesByRegion: {},
  conditions: [],
  ...change,
});

/** Builds a report without any policy. */
export const report = (seq: number, change: Partial<Report> = {}): Report => ({ ...emptyReport(seq), ...change });

/** Builds a full report of a cluster, with policies that were all applied in it. */
export const fullReport = (seq: number, policies: readonly PolicyReport[]): Report =>
  report(seq, { full: true, policies: [...policies], total: { count: policies.length, root: EMPTY_DIGEST } });

/** Builds an event of a cluster. */
export const event = (reason: string, change: Partial<ClusterEvent> = {}): ClusterEvent => ({
  time: TIME,
  severity: 'info',
  reason,
  message: reason,
  ...change,
});

/** Builds the desired state of clusters without policies. */
export const desired = (revision: string, clusters: readonly string[] = []): Desired => ({
  revision,
  set: { policies: [], scopes: [], clusters: [], regionGroups: [], catalog: undefined, rollout: undefined },
  clusters: new Map(clusters.map((name) => [name, []])),
});

/** Expired on its day where it is called so. */
export const compiledFor = (name: string): CompiledPolicy => {
  const content: Omit<CompiledPolicy, 'digest'> = {
    name,
    labels: {},
    spec: {
      targetNamespace: name,
      allowedRegions: ['eu-west-1'],
      enforcementAction: 'deny',
      ...(name === 'over' && { expiryDate: '2026-01-01T00:00:00Z' }),
    },
    enforcementAction: 'deny',
    effectiveRegions: ['eu-west-1'],
    sourcePath: `policies/${name}.yaml`,
  };
  return { ...content, digest: digestOfPolicy(content) };
};

/** Digest of the list of a commit with these policies. @param policies sorted */
export const listOfCommit = (policies: readonly string[]): string => digestOfPolicies(policies.map(compiledFor));

/** A commit that gives these policies to all of these clusters. */
export const commitFor = (revision: string, clusters: readonly string[], policies: readonly string[]): Desired => {
  const list = policies.map(compiledFor);
  return { ...desired(revision), clusters: new Map(clusters.map((name) => [name, list])) };
};

/** Builds a commit. */
export const commit = (revision: string) => ({ revision, author: 'Ada <ada@example.org>', subject: 'Keep finance in the EU', time: TIME });
/** Builds the state of a policy repository that was never read. */
export const source = (change: Partial<SourceView> = {}): SourceView => ({
  url: 'https://git/policies',
  ref: 'main',
  revision: null,
  rejected: null,
  error: null,
  lastFetch: null,
  ...change,
});
