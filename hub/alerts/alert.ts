import { ALERT_NAMES, ALERT_RULES, ALERT_SEVERITIES, AlertLabels, type AlertName } from '@fso/shared/api';
import { canonicalJson, sha256 } from '@fso/shared/encoding';
import { truncate } from '@fso/shared/text';
import { z } from 'zod';
import type { Issue } from './issue.ts';

/** Longest summary of an alert, in characters. */
export const MAX_SUMMARY = 256;
/** Longest details of an alert, in characters. */
export const MAX_DETAILS = 2_048;

/**
 * An alert as the ledger stores it. There is one for each fingerprint: an alert that fires again
 * replaces its previous occurrence.
 */
export const StoredAlert = z.object({
  fingerprint: z.string(),
  name: z.enum(ALERT_NAMES),
  severity: z.enum(ALERT_SEVERITIES),
  labels: AlertLabels,
  summary: z.string(),
  details: z.string(),
  /** Milliseconds since 1970. */
  startsAt: z.int(),
  /** Milliseconds since 1970; null while it fires. */
  endsAt: z.int().nullable(),
});
export type StoredAlert = Readonly<z.infer<typeof StoredAlert>>;

/** An alert before it fires, made of the issues with the same name, severity and labels. */
export interface AlertDraft extends Pick<StoredAlert, 'name' | 'severity' | 'labels' | 'details'> {
  /** See {@link identityOf}. */
  readonly identity: string;
  readonly isCurrent: boolean;
}

type Identified = Pick<StoredAlert, 'name' | 'severity' | 'labels'>;

/**
 * Identity of an alert: two alerts with the same name, severity and labels are the same alert. Line
 * feeds separate the parts, as no label has one.
 */
export const identityOf = ({ name, severity, labels: { cluster, policy, region, team } }: Identified): string =>
  [name, severity, cluster, policy, region, team].join('\n');

/** Parses the {@link identityOf} an alert, without its region and team. */
export const readIdentity = (identity: string): Pick<StoredAlert, 'name' | 'labels'> => {
  const [name, , cluster, policy] = identity.split('\n');
  return { name: name as AlertName, labels: { ...(cluster && { cluster }), ...(policy && { policy }) } };
};

/** 16 hexadecimal digits of the hash of name, severity and labels. */
export const alertFingerprint = ({ name, severity, labels }: Identified): string =>
  sha256(canonicalJson({ name, severity, ...labels })).slice(0, 16);

/** Summary of an alert, e.g. `Not enforced: policy finance in cluster eu`. */
const summaryOf = (name: AlertName, { policy, cluster }: AlertLabels): string => {
  const { title } = ALERT_RULES[name];
  const subject = [policy && `policy ${policy}`, cluster && `cluster ${cluster}`].filter((part) => part !== undefined);
  return subject.length === 0 ? title : `${title}: ${subject.join(' in ')}`;
};

/** Makes the firing alert of a draft. @param startsAt milliseconds since 1970 */
export const fire = ({ name, severity, labels, details }: AlertDraft, startsAt: number): StoredAlert => ({
  fingerprint: alertFingerprint({ name, severity, labels }),
  name,
  severity,
  labels,
  summary: truncate(summaryOf(name, labels), MAX_SUMMARY),
  details,
  startsAt,
  endsAt: null,
});

/** Merges issues that are one alert, such as those of several locks of one policy. */
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

/** Pages that list what an alert counts. */
const LISTS: Readonly<Partial<Record<AlertName, string>>> = {
  Violations: '/compliance',
  RisksAppeared: '/compliance/risks',
  DenialsRise: '/compliance/denials',
};

/** Path of the alert's page in the dashboard. */
export const pageOfAlert = ({ name, labels: { cluster, policy } }: Pick<StoredAlert, 'name' | 'labels'>): string => {
  if (name === 'AuditLogInvalid') return '/audit/verification';
  const list = LISTS[name];
  if (list !== undefined && (policy ?? cluster) !== undefined)
    return `${list}?${new URLSearchParams({ ...(policy !== undefined && { policy }), ...(cluster !== undefined && { cluster }) })}`;
  if (cluster !== undefined) return `/clusters/${encodeURIComponent(cluster)}`;
  return policy === undefined ? '/' : `/policies/${policy.split('/').map(encodeURIComponent).join('/')}`;
};
