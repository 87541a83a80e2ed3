import { ALERT_RULES, type AlertName, type AuditVerification, type ProblemView, type RolloutView, type SourceView } from '@fso/shared/api';
import { shortRevision } from '@fso/shared/text';
import type { Issue } from '../../alerts/index.ts';
import type { HubCertificate } from '../../identity/index.ts';
import type { LedgerHealth } from '../../ledger/index.ts';

const issueOf = (alert: AlertName, problem: string, more: Partial<Issue> = {}): Issue => ({
  alert,
  severity: ALERT_RULES[alert].severity,
  labels: {},
  problem,
  since: null,
  isCurrent: true,
  ...more,
});

/**
 * Text of a problem, such as `policies/a.yaml:3:1: unknown field`; only the reason if it names no
 * file.
 */
export const problemText = ({ path, line, column, code, reason }: ProblemView): string => {
  const place = [path, line, column].filter((part) => part !== undefined).join(':');
  return [path === undefined ? [] : place, code ?? [], reason].flat().join(': ');
};

const rejectionText = ({ commit, problems }: NonNullable<SourceView['rejected']>): string => {
  const [first, ...others] = problems;
  const reason = first === undefined ? 'No reason was given.' : problemText(first);
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
  return `Commit ${shortRevision(commit.revision)} by ${commit.author} was rejected: ${reason}${more}`;
};

/** Lists the issues of a source: unreachable repository, rejected commit, untrusted commit. */
export const listSourceIssues = ({ error, rejected, verification, revision }: SourceView): Issue[] => [
  ...(error === null ? [] : [issueOf('SourceUnreachable', error.message, { since: error.since })]),
  ...(rejected === null ? [] : [issueOf('CommitRejected', rejectionText(rejected), { revision: rejected.commit.revision })]),
  ...(verification?.state === 'failed'
    ? [issueOf('RevisionNotTrusted', `Commit ${shortRevision(revision?.revision)}: ${verification.reason ?? 'unknown'}`)]
    : []),
];

/** Lists the issue of a failed gate that halts the rollout. */
export const listRolloutIssues = ({ halted, revision }: Pick<RolloutView, 'halted' | 'revision'>): Issue[] => {
  if (halted === null) return [];
  const named = halted.clusters.length === 0 ? '' : ` (${halted.clusters.join(', ')})`;
  const problem = `Wave ${halted.wave}: ${halted.problem}${named}. Next: ${halted.next}`;
  return [issueOf('RolloutHalted', problem, { since: halted.since, ...(revision !== null && { revision }) })];
};

/** Lists the issue of a ledger that cannot be written. */
export const listLedgerIssues = (health: LedgerHealth): Issue[] =>
  health.ok ? [] : [issueOf('LedgerUnavailable', health.message, { since: health.since })];

/** Lists the issues of the audit log. */
export const listAuditIssues = (verification: AuditVerification): Issue[] => {
  if (verification.ok) return [];
  const [first, ...others] = verification.problems;
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
  return [issueOf('AuditLogInvalid', `${first?.message ?? 'The log is not intact.'}${more}`)];
};

const CERTIFICATES = { server: "The certificate of the agents' address", ca: 'The CA of the agents' };

/**
 * Time before expiry that is enough to get another certificate and to plan a restart, in
 * milliseconds.
 */
const SOON_MS = 14 * 86_400_000;

/**
 * Lists certificates that expire soon and have to be replaced manually.
 *
 * @param nowMs current time
 */
export const listCertificateIssues = (certificates: readonly HubCertificate[], nowMs: number): Issue[] =>
  certificates
    .filter(({ expires, isRenewed }) => !isRenewed && expires.getTime() - nowMs < SOON_MS)
    .map(({ of, expires }) => issueOf('HubCertificateExpiring', `${CERTIFICATES[of]} ends at ${expires.toISOString()}.`));
