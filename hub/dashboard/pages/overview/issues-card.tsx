import { Alert, AlertActionLink, Card, CardBody, CardTitle } from '@patternfly/react-core';
import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon';
import ExclamationCircleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon';
import ExclamationTriangleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-triangle-icon';
import InfoCircleIcon from '@patternfly/react-icons/dist/esm/icons/info-circle-icon';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ComponentType, ReactNode } from 'react';
import { firingAlertsQuery } from '../../api/queries.ts';
import { RelativeTime } from '../../components/text.tsx';
import { type FleetState, listFleetIssues, type Reading } from '../../issues/fleet-issues.ts';
import type { Issue, IssueTarget } from '../../issues/issue.ts';
import { count } from '../../lib/format.ts';
import { useNow } from '../../lib/time.ts';

/** Leads to the page, filtered, that says more. */
const IssueLink = ({ target, children }: { readonly target: IssueTarget; readonly children: ReactNode }) => {
  switch (target.page) {
    case 'policies':
      return (
        <Link to="/policies" search={target.search}>
          {children}
        </Link>
      );
    case 'clusters':
      return (
        <Link to="/clusters" search={target.search}>
          {children}
        </Link>
      );
    case 'cluster':
      return (
        <Link to="/clusters/$name" params={{ name: target.name }}>
          {children}
        </Link>
      );
    case 'compliance':
      return (
        <Link to="/compliance" search={target.search}>
          {children}
        </Link>
      );
    case 'verification':
      return <Link to="/audit/verification">{children}</Link>;
    case 'commit':
      return (
        <Link to="/activity/$revision" params={{ revision: target.revision }}>
          {children}
        </Link>
      );
  }
};

const MINUTE_MS = 60_000;

const LOOKS: Readonly<Record<Issue['level'], { readonly icon: ComponentType; readonly word: string }>> = {
  danger: { icon: ExclamationCircleIcon, word: 'Urgent:' },
  warning: { icon: ExclamationTriangleIcon, word: 'Warning:' },
  info: { icon: InfoCircleIcon, word: 'For information:' },
};

const IssueItem = ({ item }: { readonly item: Issue }) => {
  const { level, title, detail, since, target } = item;
  const { icon: Icon, word } = LOOKS[level];
  return (
    <li className={`fso-issue-item fso-issue-${level}`}>
      <Icon />
      <div>
        <span className="pf-v6-screen-reader">{word} </span>
        {target === undefined ? <strong>{title}</strong> : <IssueLink target={target}>{title}</IssueLink>}
        {detail === undefined && (since === undefined || since === null) ? null : (
          <div className="fso-issue-detail">
            {detail} {since === undefined || since === null ? null : <RelativeTime time={since} />}
          </div>
        )}
      </div>
    </li>
  );
};

const NoIssues = ({ reading }: { readonly reading: Reading }) => {
  if (reading === 'failed') return null;
  return reading === 'pending' ? (
    <p className="fso-muted">Loading the rest of the fleet.</p>
  ) : (
    <p className="fso-issue-none">
      <CheckCircleIcon /> No issues: every cluster is connected with its locks ready, every policy is proven, and there are no violations.
    </p>
  );
};

interface IssuesCardProps {
  readonly facts: FleetState;
  readonly reading: Reading;
  readonly onRetry: () => void;
}

/** Alerts are made of issues that last: what they add, who was notified and what is silenced, is on their page. */
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

/** The issues of the fleet, worst first. Screen readers announce changes when they are idle. */
export const IssuesCard = ({ facts, reading, onRetry }: IssuesCardProps) => {
  const items = listFleetIssues(facts, useNow(MINUTE_MS));
  return (
    <Card isFullHeight>
      <CardTitle component="h2">Issues</CardTitle>
      <CardBody>
        <div aria-live="polite">
          {items.length === 0 ? (
            <NoIssues reading={reading} />
          ) : (
            <ul className="fso-issue">
              {items.map((item) => (
                <IssueItem key={item.key} item={item} />
              ))}
            </ul>
          )}
          {reading === 'failed' ? (
            <Alert
              isInline
              variant="warning"
              component="p"
              title="Some data could not be loaded: there may be more issues"
              actionLinks={<AlertActionLink onClick={onRetry}>Try again</AlertActionLink>}
            />
          ) : null}
        </div>
        <FiringAlerts />
      </CardBody>
    </Card>
  );
};
