import { ALERT_RULES, type AlertName, type ProblemView, type SourceView } from '@fso/shared/api';
import { shortRevision } from '@fso/shared/text';
import type { Issue } from '../../alerts/index.ts';

const issueOf = (alert: AlertName, problem: string, since: string | null): Issue => ({
  alert,
  severity: ALERT_RULES[alert].severity,
  labels: {},
  problem,
  since,
  isCurrent: true,
});

const problemText = ({ path, line, column, code, reason }: ProblemView): string => {
  const place = path === undefined ? '' : `${path}:${line ?? 1}:${column ?? 1}: `;
  return `${place}${code === undefined ? '' : `${code}: `}${reason}`;
};

const rejectionText = ({ commit, problems }: NonNullable<SourceView['rejected']>): string => {
  const [first, ...others] = problems;
  const reason = first === undefined ? 'No reason was given.' : problemText(first);
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
  return `Commit ${shortRevision(commit.revision)} by ${commit.author} was rejected: ${reason}${more}`;
};

/** What is wrong with the policy repository. */
export const listSourceIssues = ({ error, rejected, verification, revision }: SourceView): Issue[] => [
  ...(error === null ? [] : [issueOf('SourceUnreachable', error.message, error.since)]),
  ...(rejected === null ? [] : [issueOf('CommitRejected', rejectionText(rejected), null)]),
  ...(verification?.state === 'failed'
    ? [issueOf('RevisionNotTrusted', `Commit ${shortRevision(revision?.revision)}: ${verification.reason ?? 'unknown'}`, null)]
    : []),
];
