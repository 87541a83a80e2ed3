import { type PolicyReport, policyKey } from '@fso/shared/api';
import { digestOfPolicies } from '@fso/shared/compile';
import { decodeFiles, type SourceFile } from '@fso/shared/decode';
import { type GitObjectType, objectId, type RawObject } from '@fso/shared/git';
import { type NamedTotal, type Report, totalOf } from '@fso/shared/protocol';
import { type Baseline, deviationsIn, type NamedPolicy } from '@fso/shared/status';
import { baselineOf, EMPTY_BASELINE } from '../../../test/harness/baselines.ts';
import { policyReport as plainReport } from '../../../test/harness/policy-reports.ts';
import { type ClusterRecord, type Desired, type Ledger, namedIn } from '../../ledger/index.ts';
import { compileDesired } from '../../rollout/index.ts';

/** A small fleet for tests of what is served: two clusters, two policies, one group. */

/** Time of all reports. */
export const TIME = '2026-01-03T10:30:00.000Z';
/** Commit in force. */
export const REVISION: string = 'a1'.repeat(20);
/** Commit before it. */
export const OLD_REVISION: string = 'b2'.repeat(20);

const file = (path: string, kind: string, metadata: string, spec: string): SourceFile => ({
  path,
  text: `apiVersion: compliance.federated.io/v1\nkind: ${kind}\nmetadata: ${metadata}\nspec: ${spec}\n`,
});

/** Files of the policy repository. */
export const FILES: readonly SourceFile[] = [
  file('clusters/eu.yaml', 'ManagedCluster', '{name: eu, labels: {env: prod}}', '{regions: [eu-west-1, eu-central-1]}'),
  file('clusters/us.yaml', 'ManagedCluster', '{name: us}', '{regions: [us-east-1]}'),
  file('regions/eu.yaml', 'RegionGroup', '{name: eu}', '{regions: [eu-west-1, eu-central-1]}'),
  file('policies/finance.yaml', 'SovereignPolicy', '{name: finance}', "{targetNamespace: finance, allowedRegions: ['group:eu']}"),
  file(
    'policies/hr.yaml',
    'SovereignPolicy',
    '{name: hr}',
    '{targetNamespace: hr, allowedRegions: [eu-west-1], enforcementAction: warn, placement: {clusterNames: [eu]}}',
  ),
];

/** Compiles files to the desired state. @throws Error if there are problems */
export const desiredOf = (revision: string = REVISION, files: readonly SourceFile[] = FILES): Desired => {
  const decoded = decodeFiles(files);
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  return compileDesired(revision, decoded.set).desired;
};

/** The files as Git objects, by id: the commit and what it stands on. */
export const gitObjectsOf = (revision: string = REVISION, files: readonly SourceFile[] = FILES): ReadonlyMap<string, RawObject> => {
  const objects = new Map<string, RawObject>();
  const put = (type: GitObjectType, data: Buffer): string => {
    const id = objectId(type, data);
    objects.set(id, { type, data });
    return id;
  };
  const entry = (mode: string, name: string, id: string): Buffer =>
    Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(id, 'hex')]);
  const folders = new Map<string, Buffer[]>();
  for (const { path, text } of files) {
    const [folder = '', name = ''] = path.split('/');
    folders.set(folder, [...(folders.get(folder) ?? []), entry('100644', name, put('blob', Buffer.from(text)))]);
  }
  const trees = [...folders].map(([name, entries]) => entry('40000', name, put('tree', Buffer.concat(entries))));
  const who = 'Ada <ada@example.org> 1767436200 +0000';
  const commit = `tree ${put('tree', Buffer.concat(trees))}\nauthor ${who}\ncommitter ${who}\n\nKeep finance in the EU\n`;
  objects.set(revision, { type: 'commit', data: Buffer.from(commit) });
  return objects;
};

/** Builds the report of a policy that is enforced in the namespace of its name. */
export const policyReport = (name: string, change: Partial<PolicyReport> = {}): PolicyReport =>
  plainReport(name, { revision: REVISION, namespaces: [name], message: 'enforced', lastUpdated: TIME, ...change });

/** Builds the report of a cluster that has proven a commit. */
export const clusterReport = (revision: string = REVISION, provenRevision: string | null = revision): NonNullable<Report['cluster']> => ({
  revision,
  provenRevision,
  verification: 'unverified',
  agentVersion: '0.1.0',
  kubernetesVersion: 'v1.36.3',
  gatekeeper: { state: 'Ready', version: '3.23.1' },
  nodesByRegion: { 'eu-west-1': 2 },
  conditions: [],
});

/** Baseline of a cluster that has accepted its policies of a commit. */
export const baselineIn = ({ clusters }: Desired, cluster: string, change: Partial<Baseline> = {}): Baseline =>
  baselineOf(digestOfPolicies(clusters.get(cluster) ?? []), change);

/**
 * Total of the named policies that a hub must have after a report.
 *
 * @param before the named policies before it
 */
const totalAfter = (before: ReadonlyMap<string, NamedPolicy>, change: Partial<Report>): NamedTotal => {
  const named = new Map(before);
  for (const [name, deviation] of deviationsIn(change.deviations ?? [])) named.set(name, deviation);
  for (const policy of change.policies ?? []) named.set(policyKey(policy), policy);
  for (const key of change.removed ?? []) named.delete(key);
  return totalOf(named);
};

/** A full report, by default of a cluster that names every policy that it has. */
export const report = (change: Partial<Report> = {}): Report => ({
  type: 'report',
  seq: 1,
  full: true,
  baseline: EMPTY_BASELINE,
  total: totalAfter(new Map(), change),
  deviations: [],
  policies: [],
  removed: [],
  events: [],
  ...change,
});

/** Reports what changed in a cluster since its last report. */
export const reportChange = async (ledger: Ledger, cluster: string, change: Partial<Report>): Promise<void> => {
  const record = await ledger.cluster(cluster);
  if (record === null) throw new Error(`no cluster ${cluster}`);
  const total = totalAfter(change.full === true ? new Map() : namedIn(record.policies), change);
  const seq = record.reportedSeq + 1;
  const baseline = record.baseline ?? EMPTY_BASELINE;
  await ledger.applyReport(cluster, report({ seq, full: false, baseline, total, ...change }));
};

/** A connected cluster that is where it should be. */
export const clusterRecord = (
  name: string,
  policies: readonly PolicyReport[] = [],
  change: Partial<ClusterRecord> = {},
): ClusterRecord => ({
  name,
  connected: true,
  notObserved: null,
  lastSeen: { at: TIME },
  offeredRevision: REVISION,
  offeredAt: null,
  acked: { revision: REVISION, digest: 'd' },
  nack: null,
  report: clusterReport(),
  baseline: null,
  policies: new Map(policies.map((policy) => [policyKey(policy), policy])),
  notKept: null,
  policiesChanged: policies.length === 0 ? null : TIME,
  reportedSeq: 1,
  divergedSince: null,
  ...change,
});
