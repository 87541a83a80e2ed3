import type { IssueGroup, IssueList } from '@fso/shared/api';
import { count } from '@fso/shared/text';
import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { firingAlertsQuery, issuesQuery } from '../../api/queries.ts';
import { QueryView } from '../../components/empty-states.tsx';
import { HubLink } from '../../components/links.tsx';
import { AlertSeverityLabel } from '../../components/state-label.tsx';
import { RelativeTime, SectionCard, Sentence } from '../../components/text.tsx';
import { formatNumber } from '../../lib/format.ts';

/** Most issues of a group that are shown in full. If there are more, this many are named. */
const MAX_SUBJECTS = 3;

type Issue = IssueGroup['issues'][number];

const subjectOf = ({ cluster, policy }: Issue): string => [policy, cluster].filter((name) => name !== null).join(' in ');

const Details = ({ group: { issues, count: all, since } }: { readonly group: IssueGroup }) => {
  const shown = issues.slice(0, MAX_SUBJECTS);
  if (all > MAX_SUBJECTS) {
    return (
      <div className="fso-issue-detail">
        {shown.map(subjectOf).join(', ')} and {formatNumber(all - MAX_SUBJECTS)} more
        {since === null ? null : (
          <>
            , the oldest <RelativeTime time={since} />
          </>
        )}
      </div>
    );
  }
  return shown.map((issue) => (
    <div key={`${subjectOf(issue)} ${issue.problem}`} className="fso-issue-detail">
      {all === 1 ? '' : `${subjectOf(issue)}: `}
      {issue.since === null ? (
        issue.problem
      ) : (
        <>
          {issue.problem.replace(/\.$/, '')}, <RelativeTime time={issue.since} />
        </>
      )}
    </div>
  ));
};

const GroupItem = ({ group }: { readonly group: IssueGroup }) => (
  <li className="fso-issue-item">
    <AlertSeverityLabel severity={group.severity} />
    <div>
      <HubLink path={group.path}>{group.summary}</HubLink>
      <Details group={group} />
      <div className="fso-issue-detail">
        <Sentence text={group.remedy} />
      </div>
    </div>
  </li>
);

const Groups = ({ list: { items, complete } }: { readonly list: IssueList }) => (
  <>
    {items.length === 0 ? null : (
      <ul className="fso-issue" aria-label="Issues">
        {items.map((group) => (
          <GroupItem key={`${group.summary} ${group.severity}`} group={group} />
        ))}
      </ul>
    )}
    {complete ? null : <p className="fso-muted">The hub has not read everything yet: there may be more.</p>}
    {complete && items.length === 0 ? (
      <p className="fso-issue-none">
        <CheckCircleIcon /> No issues: every cluster is connected with its locks ready, every policy is proven, and there are no violations.
      </p>
    ) : null}
  </>
);

/**
 * Link to the firing alerts. Alerts follow from lasting issues; their page shows who was notified
 * and what is silenced.
 */
const FiringAlerts = () => {
  const { data } = useQuery(firingAlertsQuery);
  if (data === undefined || data.total === 0) return null;
  return (
    <p className="fso-issue-alerts">
      <Link to="/alerts" search={{ state: 'firing' }}>
        {count(data.total, 'alert is firing', 'alerts are firing')}
      </Link>
    </p>
  );
};

/** Issues of the fleet, worst first. Screen readers announce changes when they are idle. */
export const IssuesCard = () => (
  <SectionCard title="Issues">
    <div aria-live="polite">
      <QueryView query={useQuery(issuesQuery())} what="the issues">
        {(list) => <Groups list={list} />}
      </QueryView>
    </div>
    <FiringAlerts />
  </SectionCard>
);
