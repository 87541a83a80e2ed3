import type { PolicyInCluster } from '@fso/shared/api';
import { Button } from '@patternfly/react-core';
import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon';
import ExclamationCircleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon';
import QuestionCircleIcon from '@patternfly/react-icons/dist/esm/icons/question-circle-icon';
import { Fragment, useMemo, useState } from 'react';
import { ClusterLink } from '../../../components/links.tsx';
import { PlainTable, type PlainTableProps } from '../../../components/tables/plain-table.tsx';
import { LongText, RelativeTime } from '../../../components/text.tsx';
import { formatNumber, truncateList } from '../../../lib/format.ts';
import type { ConditionHealth } from '../../../lib/health.ts';
import { type ConditionGroup, groupConditions } from './conditions.ts';

const MAX_CLUSTERS = 3;

const ICONS: Readonly<Record<ConditionHealth, { icon: typeof CheckCircleIcon; className: string; text: string }>> = {
  good: { icon: CheckCircleIcon, className: 'fso-success', text: 'as expected' },
  unknown: { icon: QuestionCircleIcon, className: 'fso-muted', text: 'unknown' },
  bad: { icon: ExclamationCircleIcon, className: 'fso-danger', text: 'needs attention' },
};

const Links = ({ clusters }: { readonly clusters: readonly string[] }) =>
  clusters.map((cluster, index) => (
    <Fragment key={cluster}>
      {index === 0 ? null : ', '}
      <ClusterLink cluster={cluster} />
    </Fragment>
  ));

const moreText = (shown: number, hidden: number): string => (shown === 0 ? 'show' : `and ${formatNumber(hidden)} more`);

/**
 * Clusters of a condition. They are named if the condition needs attention, else counted at first.
 */
const InClusters = ({ clusters, stale, health }: ConditionGroup) => {
  const [isOpen, setOpen] = useState(false);
  const few = truncateList(clusters, health === 'good' ? 0 : MAX_CLUSTERS);
  return (
    <>
      {clusters.length > 1 ? <span className="fso-muted">{formatNumber(clusters.length)} clusters </span> : null}
      <Links clusters={isOpen ? clusters : few.shown} />{' '}
      {few.hidden === 0 ? null : (
        <Button variant="link" isInline aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          {isOpen ? 'hide' : moreText(few.shown.length, few.hidden)}
        </Button>
      )}
      {stale > 0 ? <div className="fso-muted">{formatNumber(stale)} not connected; last known state</div> : null}
    </>
  );
};

const Type = ({ type, health }: ConditionGroup) => {
  const { icon: Icon, className, text } = ICONS[health];
  return (
    <div className="fso-lock-count">
      <Icon className={className} title={text} aria-label={text} role="img" />
      <span>{type}</span>
    </div>
  );
};

const COLUMNS: PlainTableProps<ConditionGroup>['columns'] = [
  { title: 'Condition', width: 15, cell: (group) => <Type {...group} /> },
  { title: 'Status', width: 10, cell: ({ status }) => status },
  { title: 'Reason', width: 15, cell: ({ reason }) => reason },
  {
    title: 'Message',
    cell: ({ message, messagesDiffer }) => (
      <>
        <LongText text={message} />
        {messagesDiffer ? <div className="fso-muted">Other clusters report other messages.</div> : null}
      </>
    ),
  },
  { title: 'Clusters', width: 20, cell: (group) => <InClusters {...group} /> },
  { title: 'Since', width: 10, cell: ({ since }) => <RelativeTime time={since} absent="not told" /> },
];

/** Conditions that the clusters report, with equal ones in one row. */
export const ConditionsTable = ({ clusters }: { readonly clusters: readonly PolicyInCluster[] }) => {
  const groups = useMemo(() => groupConditions(clusters), [clusters]);
  if (groups.length === 0) return <p className="fso-muted">No cluster has reported conditions yet.</p>;
  return (
    <PlainTable
      label="Conditions"
      rows={groups}
      columns={COLUMNS}
      rowKey={({ type, status, reason }) => [type, status, reason].join(' ')}
      className="fso-conditions"
    />
  );
};
