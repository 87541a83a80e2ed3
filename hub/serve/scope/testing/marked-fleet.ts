import { type ClusterEvent, type PolicyReport, policyKey, type Risk, type RoleGrant } from '@fso/shared/api';
import type { SourceFile } from '@fso/shared/decode';
import { encodeBitmap } from '@fso/shared/status';
import type { AlertsConfig } from '../../../alerts/index.ts';
import type { Ledger } from '../../../ledger/index.ts';
import { packSteps, writeRollout } from '../../../rollout/index.ts';
import { commitRollout } from '../../testing/api-harness.ts';
import { baselineIn, clusterReport, desiredOf, OLD_REVISION, policyReport, REVISION, report, TIME } from '../../testing/fleet.ts';
import { denialsOf, previewOf, processingOf } from './marked-denials.ts';

/**
 * A fleet whose names say who may not see them: `xcluster` is in names of clusters outside of the
 * EU and of what is only there, `xpolicy` in what is of policies that are not for finance, `xboth`
 * where either holds, `xglobal` in what concerns the whole hub.
 */

const file = (path: string, kind: string, metadata: string, spec: string): SourceFile => ({
  path,
  text: `apiVersion: compliance.federated.io/v1\nkind: ${kind}\nmetadata: ${metadata}\nspec: ${spec}\n`,
});

const policy = (name: string, target: string, more: string): SourceFile =>
  file(`policies/${name}.yaml`, 'SovereignPolicy', `{name: ${name}, labels: {of: ${name}}}`, `{targetNamespace: ${target}, ${more}}`);

const EU = "allowedRegions: ['group:eu'], description: for eu, placement: {clusterRegions: ['group:eu']}";
const US = "allowedRegions: ['group:us-xcluster'], placement: {clusterNames: [us-xcluster]}";

/** @param labels of the cluster eu-2 */
export const markedFiles = (labels = '{team: blue}'): readonly SourceFile[] => [
  file('clusters/eu-1.yaml', 'ManagedCluster', '{name: eu-1, labels: {team: blue}}', '{regions: [eu-west-1]}'),
  file('clusters/eu-2.yaml', 'ManagedCluster', `{name: eu-2, labels: ${labels}}`, '{regions: [eu-central-1]}'),
  file('clusters/us-xcluster.yaml', 'ManagedCluster', '{name: us-xcluster, labels: {site: xcluster}}', '{regions: [us-xcluster-1]}'),
  file('regions/eu.yaml', 'RegionGroup', '{name: eu}', '{regions: [eu-west-1, eu-central-1]}'),
  file('regions/us.yaml', 'RegionGroup', '{name: us-xcluster}', '{regions: [us-xcluster-1]}'),
  policy('finance', 'finance', EU),
  policy('payroll-xpolicy', 'payroll-xpolicy', EU),
  policy('ledger-xcluster', 'finance-xcluster', US),
  policy('audit-xboth', 'audit-xboth', US),
];

const violation = (namespace: string, mark: string) => ({
  kind: 'Pod',
  namespace,
  name: `pod-${mark}`,
  node: `node-${mark}`,
  region: `region-${mark}`,
  reason: `reason ${mark}`,
  since: TIME,
});

const risk = (namespace: string, mark: string): Risk => {
  const texts = { name: `owner-${mark}`, reason: `term ${mark}`, fix: `line ${mark}` };
  return { risk: 'Refused', kind: 'Deployment', namespace, ...texts, confirmation: 'Confirmed' };
};

const violating = (name: string, namespace: string, mark: string): PolicyReport =>
  policyReport(name, {
    targetNamespace: namespace,
    namespaces: [namespace],
    violations: 3,
    violationSamples: [violation(namespace, mark)],
    risks: { refused: 2, pending: 1, unconfirmed: 0, mended: 0, named: [risk(namespace, mark)] },
    effectiveRegions: [`allowed-${mark}`],
    message: `message ${mark}`,
    // Of a namespace that several policies govern.
    namespaceLabels: [{ namespace, labels: { 'compliance.gov/policy-name': `other-${mark === 'eu' ? 'xpolicy' : mark}` } }],
    expiryDate: '2026-01-05T10:30:00.000Z',
  });

const local = (name: string, namespace: string, mark: string): PolicyReport => ({
  ...violating(name, namespace, mark),
  namespace,
  managedBy: 'local',
});

/** Reports by name of each cluster. */
const REPORTS: Readonly<Record<string, readonly PolicyReport[]>> = {
  'eu-1': [
    violating('finance', 'finance', 'eu'),
    violating('payroll-xpolicy', 'payroll-xpolicy', 'xpolicy'),
    local('own-local', 'finance', 'eu'),
    local('own-xpolicy', 'team-xpolicy', 'xpolicy'),
  ],
  // It reports by exception: finance conforms, and of payroll-xpolicy there is no namespace.
  'eu-2': [],
  'us-xcluster': [
    violating('ledger-xcluster', 'finance-xcluster', 'xcluster'),
    violating('audit-xboth', 'audit-xboth', 'xboth'),
    local('own-xboth', 'team-xboth', 'xboth'),
  ],
  // Not registered.
  'retired-xcluster': [violating('audit-xboth', 'audit-xboth', 'xboth')],
};

/** Policies are listed by name. */
const EXCEPTIONS = { missing: encodeBitmap(2, (at) => at === 1), namespaces: ['finance', 'team-xpolicy'] };

const markOf = (cluster: string): string => (cluster.includes('xcluster') ? 'xcluster' : 'eu');

/** Events of one cluster: of policies, of a commit, and of the cluster itself. */
export const eventsOf = (cluster: string, reason = 'Seen'): readonly ClusterEvent[] => {
  const event = (message: string, more: Partial<ClusterEvent> = {}): ClusterEvent => ({
    time: TIME,
    severity: 'warning',
    reason: `${reason}${markOf(cluster) === 'eu' ? '' : '-xcluster'}`,
    message,
    ...more,
  });
  return [
    ...(REPORTS[cluster] ?? []).map((each) =>
      event(each.message, { policy: policyKey(each), namespace: each.targetNamespace, reason: `${reason}-${each.message.split(' ')[1]}` }),
    ),
    event('policies/xglobal.yaml: broken', { revision: REVISION }),
    // What is said of a whole cluster may be of any policy in it.
    event(`about a cluster ${markOf(cluster) === 'eu' ? 'xpolicy' : 'xboth'}`),
  ];
};

/** The report of a cluster, whose texts are about all that is in it. */
export const reportOf = (cluster: string, seq = 1, events = eventsOf(cluster)) => {
  const mark = markOf(cluster) === 'eu' ? 'xpolicy' : 'xboth';
  const condition = {
    type: 'Tampered',
    status: 'True' as const,
    lastTransitionTime: TIME,
    reason: 'PutBack',
    message: `namespace ${mark}`,
  };
  return report({
    seq,
    ...(cluster === 'eu-2' && { baseline: baselineIn(desiredOf(REVISION, markedFiles()), cluster, EXCEPTIONS) }),
    cluster: {
      ...clusterReport(),
      signer: 'signer xglobal',
      verification: 'failed',
      verificationReason: 'reason xglobal',
      gatekeeper: { state: 'NotReady', message: `constraint ${mark}` },
      nodesByRegion: { [markOf(cluster) === 'eu' ? 'eu-west-1' : 'us-xcluster-1']: 2 },
      conditions: [condition],
      violationSamples: (REPORTS[cluster] ?? []).flatMap((each) =>
        each.violationSamples.map((sample) => ({ ...sample, policy: policyKey(each) })),
      ),
      riskSamples: (REPORTS[cluster] ?? []).flatMap((each) => each.risks?.named.map((one) => ({ ...one, policy: policyKey(each) })) ?? []),
      denials: denialsOf(REPORTS[cluster] ?? []),
    },
    policies: [...(REPORTS[cluster] ?? [])],
    events: [...events],
  });
};

const commit = (revision: string) => ({ revision, author: 'author xglobal', subject: 'subject xglobal', time: TIME });
const problems = [{ path: 'policies/xglobal.yaml', line: 1, column: 1, code: 'unsigned', reason: 'problem xglobal' }];

const writeRollouts = async (ledger: Ledger): Promise<void> => {
  const names = ['finance', 'payroll-xpolicy', 'ledger-xcluster', 'audit-xboth'];
  const verification = { state: 'failed' as const, signer: 'signer xglobal', reason: 'reason xglobal' };
  const refused = { at: 10, reasons: problems };
  await writeRollout(
    ledger.records,
    commitRollout({
      commit: commit(REVISION),
      verification,
      changes: { added: names, changed: ['gone-xboth'], removed: ['gone-xboth'] },
      counts: { added: 4, changed: 1, removed: 1 },
      steps: packSteps([
        ['eu-1', [1, 2, 3, null]],
        ['us-xcluster', [1, 2, 3, 4]],
        ['retired-xcluster', [1, null, null, null]],
      ]),
      refused: { 'eu-1': refused, 'us-xcluster': refused },
    }),
  );
  await writeRollout(ledger.records, commitRollout({ sequence: 2, commit: commit(OLD_REVISION), problems }));
};

/** The repository as it is now. @param labels of the cluster eu-2 */
export const setMarkedDesired = (ledger: Ledger, labels?: string): Promise<void> =>
  ledger.setDesired(desiredOf(REVISION, markedFiles(labels)));

/** Writes the whole fleet. */
export const fillMarkedLedger = async (ledger: Ledger): Promise<void> => {
  await ledger.setSource({
    url: 'http://git/policies',
    ref: 'main',
    revision: commit(REVISION),
    verification: { state: 'failed', reason: 'reason xglobal' },
    rejected: { commit: commit(OLD_REVISION), problems },
    error: { message: 'error xglobal', since: TIME },
    lastFetch: TIME,
  });
  await setMarkedDesired(ledger);
  await writeRollouts(ledger);
  for (const cluster of Object.keys(REPORTS)) {
    await ledger.setConnected(cluster, cluster !== 'retired-xcluster');
    await ledger.setOffered(cluster, REVISION);
    await ledger.setAck(cluster, { revision: REVISION, digest: 'd' });
    await ledger.applyReport(cluster, reportOf(cluster));
    await ledger.setNack(cluster, {
      revision: OLD_REVISION,
      reasons: [{ code: 'unsigned', path: 'policies/xglobal.yaml', message: 'nack xglobal' }],
    });
  }
  await ledger.addEvent(null, { time: TIME, severity: 'alert', reason: 'AccessAudit', message: 'audit xglobal' });
};

/** Alerts configuration in which every issue fires at once, without receivers. */
export const MARKED_ALERTS: AlertsConfig = { receivers: [], route: undefined, rules: () => ({ forMs: 0, severity: undefined }) };

/** Silences of the fleet: matchers, and a reason that says who sees it. */
export const MARKED_SILENCES: readonly { readonly matchers: readonly string[]; readonly reason: string }[] = [
  { matchers: ['cluster="eu-1"', 'name="Tampered"'], reason: 'silence of xpolicy and all in eu' },
  { matchers: ['cluster="eu-1"', 'policy="finance"', 'name="Violations"'], reason: 'silence of finance' },
  { matchers: ['cluster=eu-1', 'policy=payroll-xpolicy'], reason: 'silence of xpolicy' },
  { matchers: ['cluster="us-xcluster"', 'name="Tampered"'], reason: 'silence of xboth and all in xcluster' },
  { matchers: ['cluster="us-xcluster"', 'policy="ledger-xcluster"'], reason: 'silence of ledger in xcluster' },
  { matchers: ['cluster="us-xcluster"', 'policy="audit-xboth"'], reason: 'silence of xboth' },
  { matchers: ['cluster=~"eu-.*"', 'policy="finance"', 'severity="info"'], reason: 'silence by a pattern xglobal' },
  { matchers: ['cluster!="eu-1"', 'severity="info"'], reason: 'silence of others xglobal' },
  { matchers: ['policy="finance"', 'severity="info"'], reason: 'silence of a policy everywhere xglobal' },
  { matchers: ['name="SourceUnreachable"'], reason: 'silence of the hub xglobal' },
];

export const markedAgents = {
  locate: async (cluster: string) => processingOf(REPORTS[cluster] ?? []),
  inspect: async (cluster: string, key: string) =>
    REPORTS[cluster]?.some((each) => policyKey(each) === key) ? violating(key, key, 'eu') : undefined,
  preview: async (cluster: string) => previewOf(REPORTS[cluster] ?? []),
};

export interface MarkedScope {
  readonly title: string;
  readonly grants: readonly Omit<RoleGrant, 'role'>[];
  /** Text that no answer may contain. */
  readonly outside: RegExp;
  /** Texts that some answer must contain. */
  readonly inside: readonly RegExp[];
}
const eu = { clusters: { clusterRegions: ['group:eu'] } };
const finance = { policies: { targetNamespaces: ['finance*'] } };

/** Scopes, each with what it may not see of the marked fleet. */
export const MARKED_SCOPES: readonly MarkedScope[] = [
  {
    title: 'clusters by region',
    grants: [eu],
    outside: /xcluster|xboth|xglobal/,
    inside: [/eu-1/, /eu-2/, /payroll-xpolicy/, /own-xpolicy/, /pod-eu/, /silence of xpolicy and all/],
  },
  {
    title: 'clusters by label',
    grants: [{ clusters: { clusterSelector: { matchLabels: { team: 'blue' } } } }],
    outside: /xcluster|xboth|xglobal/,
    inside: [/eu-1/, /eu-2/, /pod-xpolicy/],
  },
  {
    title: 'clusters by name',
    grants: [{ clusters: { clusterNames: ['eu-1', 'retired-xcluster', 'renamed'] } }],
    outside: /eu-2|xcluster|xboth|xglobal/,
    inside: [/eu-1/, /payroll-xpolicy/],
  },
  {
    title: 'policies by namespace',
    grants: [finance],
    outside: /xpolicy|xboth|xglobal/,
    inside: [/us-xcluster/, /ledger-xcluster/, /own-local/, /pod-xcluster/, /silence of ledger/],
  },
  {
    title: 'policies by name',
    grants: [{ policies: { policyNames: ['finance', 'ledger-*'] } }],
    outside: /xpolicy|xboth|xglobal/,
    inside: [/us-xcluster/, /ledger-xcluster/],
  },
  {
    title: 'policies by label',
    grants: [
      {
        policies: { policySelector: { matchExpressions: [{ key: 'of', operator: 'NotIn', values: ['payroll-xpolicy', 'audit-xboth'] }] } },
      },
    ],
    // A local policy is in no commit, and so it has no labels to be selected by.
    outside: /xpolicy|xboth|xglobal|own-local/,
    inside: [/us-xcluster/, /ledger-xcluster/],
  },
  {
    title: 'policies in clusters',
    grants: [{ ...eu, ...finance }],
    outside: /xcluster|xpolicy|xboth|xglobal/,
    inside: [/eu-1/, /pod-eu/, /silence of finance/],
  },
  { title: 'two grants', grants: [eu, finance], outside: /xboth|xglobal/, inside: [/us-xcluster/, /ledger-xcluster/, /payroll-xpolicy/] },
  {
    title: 'what is not there',
    grants: [
      { clusters: { clusterRegions: ['group:none'] } },
      { policies: { policyNames: ['none'] }, clusters: { clusterNames: ['none'] } },
    ],
    outside: /eu-1|eu-2|finance|xcluster|xpolicy|xboth|xglobal/,
    inside: [],
  },
];
