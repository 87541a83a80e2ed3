import { ALERT_NAMES, ALERT_SEVERITIES, AlertLabels, type AlertName } from '@fso/shared/api';
import { canonicalJson, sha256 } from '@fso/shared/encoding';
import { truncate } from '@fso/shared/text';
import { z } from 'zod';
import type { Issue } from './issue.ts';

export const MAX_SUMMARY = 256;
export const MAX_DETAILS = 2_048;

/** An alert as the ledger keeps it. One record for each fingerprint: one that fires again takes the place of the one before. */
export const StoredAlert = z.object({
  fingerprint: z.string(),
  name: z.enum(ALERT_NAMES),
  severity: z.enum(ALERT_SEVERITIES),
  labels: AlertLabels,
  summary: z.string(),
  details: z.string(),
  /** Milliseconds since 1970. */
  startsAt: z.int(),
  /** null: it fires. */
  endsAt: z.int().nullable(),
});
export type StoredAlert = Readonly<z.infer<typeof StoredAlert>>;

/** An alert before it fires: what one or more issues with the same name, severity and labels say. */
export interface AlertDraft extends Pick<StoredAlert, 'name' | 'severity' | 'labels' | 'details'> {
  /** See {@link identityOf}. */
  readonly identity: string;
  readonly isCurrent: boolean;
}

type Identified = Pick<StoredAlert, 'name' | 'severity' | 'labels'>;

/** What two alerts have in common that are the same alert. No label has a line feed. */
export const identityOf = ({ name, severity, labels: { cluster, policy, region, team } }: Identified): string =>
  [name, severity, cluster, policy, region, team].join('\n');

/** Reads what {@link identityOf} has written, but region and team. */
export const readIdentity = (identity: string): Pick<StoredAlert, 'name' | 'labels'> => {
  const [name, , cluster, policy] = identity.split('\n');
  return { name: name as AlertName, labels: { ...(cluster && { cluster }), ...(policy && { policy }) } };
};

/** 16 hexadecimal digits of the hash of name, severity and labels. */
export const fingerprintOf = ({ name, severity, labels }: Identified): string =>
  sha256(canonicalJson({ name, severity, ...labels })).slice(0, 16);

const where = ({ policy, cluster }: AlertLabels): string => `policy ${policy}${cluster === undefined ? '' : ` in cluster ${cluster}`}`;

const SUMMARIES: Readonly<Record<AlertName, (labels: AlertLabels) => string>> = {
  SourceUnreachable: () => 'The hub cannot read the policy repository',
  CommitRejected: () => 'The newest commit was rejected; the previous one stays in force',
  RevisionNotTrusted: () => 'The commit in force is not trusted',
  LedgerUnavailable: () => "The ledger's database cannot be written",
  AuditLogInvalid: () => 'The audit log contradicts its hashes or checkpoints',
  HubCertificateExpiring: () => 'A certificate of the hub ends soon',
  ClusterAway: ({ cluster }) => `Cluster ${cluster} is not connected`,
  ClusterNotObserved: ({ cluster }) => `The agent of cluster ${cluster} does not know how it is now`,
  ClusterNeverSeen: ({ cluster }) => `Cluster ${cluster} has never connected`,
  ClusterUnregistered: ({ cluster }) => `Cluster ${cluster} is not registered in Git`,
  ClusterBehind: ({ cluster }) => `Cluster ${cluster} has not accepted the commit in force`,
  PoliciesNotKept: ({ cluster }) =>
    `The hub does not keep all policies of ${cluster === undefined ? 'some clusters' : `cluster ${cluster}`}`,
  CommitRefused: ({ cluster }) => `Cluster ${cluster} refused a commit`,
  Tampered: ({ cluster }) => `Objects of the locks were tampered with in cluster ${cluster}`,
  LockNotReady: ({ cluster }) => `Lock 1 is not ready in cluster ${cluster}`,
  GatekeeperNotReady: ({ cluster }) => `Gatekeeper is not ready in cluster ${cluster}`,
  CertificateExpiring: ({ cluster }) => `The certificate of the agent of cluster ${cluster} was not renewed`,
  PolicyNotEnforced: (labels) => `Failed: ${where(labels)}`,
  PolicyLockDegraded: (labels) => `A lock does not hold ${where(labels)}`,
  PolicyConflict: (labels) => `In conflict: ${where(labels)}`,
  PolicyNotProven: (labels) => `Not proven: ${where(labels)}`,
  Violations: (labels) => `Workloads violate ${where(labels)}`,
  PolicyExpiring: ({ policy }) => `Policy ${policy} expires soon`,
  PolicyExpired: ({ policy }) => `Policy ${policy} has expired`,
  MoreAlerts: ({ cluster }) => (cluster === undefined ? 'More alerts than are kept' : `More alerts in cluster ${cluster}`),
};

/** The alert that a draft becomes. @param startsAt ms since 1970 */
export const fire = ({ name, severity, labels, details }: AlertDraft, startsAt: number): StoredAlert => ({
  fingerprint: fingerprintOf({ name, severity, labels }),
  name,
  severity,
  labels,
  summary: truncate(SUMMARIES[name](labels), MAX_SUMMARY),
  details,
  startsAt,
  endsAt: null,
});

/** Puts issues together that are one alert: several locks of a policy, say. */
export const draftAlerts = (issues: Iterable<Issue>): Map<string, AlertDraft> => {
  const drafts = new Map<string, AlertDraft>();
  for (const { alert: name, severity, labels, problem, isCurrent } of issues) {
    const identity = identityOf({ name, severity, labels });
    const before = drafts.get(identity);
    const details = truncate(before === undefined ? problem : `${before.details}\n${problem}`, MAX_DETAILS);
    drafts.set(identity, { identity, name, severity, labels, details, isCurrent: isCurrent || before?.isCurrent === true });
  }
  return drafts;
};

/** Path in the dashboard. */
export const pageOfAlert = ({ name, labels: { cluster, policy } }: Pick<StoredAlert, 'name' | 'labels'>): string => {
  if (name === 'AuditLogInvalid') return '/audit/verification';
  if (name === 'Violations' && policy !== undefined)
    return `/compliance?${new URLSearchParams({ policy, ...(cluster === undefined ? {} : { cluster }) })}`;
  if (cluster !== undefined) return `/clusters/${encodeURIComponent(cluster)}`;
  return policy === undefined ? '/' : `/policies/${policy.split('/').map(encodeURIComponent).join('/')}`;
};
