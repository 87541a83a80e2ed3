import type { Condition } from '@fso/shared/api';
import { Icon } from '@patternfly/react-core';
import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon';
import ExclamationCircleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon';
import QuestionCircleIcon from '@patternfly/react-icons/dist/esm/icons/question-circle-icon';
import { StaleState } from '../../../components/stale-state.tsx';
import { PlainTable, type PlainTableProps } from '../../../components/tables/plain-table.tsx';
import { RelativeTime, SectionCard } from '../../../components/text.tsx';
import { verdictOf } from '../../../lib/health.ts';
import { NotReported } from './cluster-cards.tsx';

const ICONS = {
  good: <CheckCircleIcon />,
  bad: <ExclamationCircleIcon />,
  unknown: <QuestionCircleIcon />,
} as const;
const STATUS = { good: 'success', bad: 'danger', unknown: 'warning' } as const;

const Status = ({ condition, isFresh }: { readonly condition: Condition; readonly isFresh: boolean }) => {
  const state = verdictOf(condition);
  if (!isFresh) return <StaleState>Was {condition.status}</StaleState>;
  return (
    <span className="fso-nowrap">
      <Icon status={STATUS[state]} isInline>
        {ICONS[state]}
      </Icon>{' '}
      {condition.status}
    </span>
  );
};

const columns = (isFresh: boolean): PlainTableProps<Condition>['columns'] => [
  { title: 'Condition', width: 20, cell: ({ type }) => type },
  { title: 'Status', width: 10, cell: (condition) => <Status condition={condition} isFresh={isFresh} /> },
  { title: 'Reason', width: 15, cell: ({ reason }) => reason },
  { title: 'Since', width: 15, cell: ({ lastTransitionTime }) => <RelativeTime time={lastTransitionTime} /> },
  { title: 'Message', className: 'fso-message', cell: ({ message }) => message },
];

interface ConditionsCardProps {
  /** Conditions that the agent reports; undefined: nothing reported. */
  readonly conditions: readonly Condition[] | undefined;
  /** Whether the cluster is connected. */
  readonly isFresh: boolean;
}

export const ConditionsCard = ({ conditions, isFresh }: ConditionsCardProps) => (
  <SectionCard title="Conditions">
    {conditions === undefined || conditions.length === 0 ? (
      <NotReported />
    ) : (
      <PlainTable label="Conditions" rows={conditions} columns={columns(isFresh)} rowKey={({ type }) => type} borders={false} />
    )}
  </SectionCard>
);
