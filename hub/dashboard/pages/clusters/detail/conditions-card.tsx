import type { Condition } from '@fso/shared/api';
import { Icon } from '@patternfly/react-core';
import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon';
import ExclamationCircleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon';
import QuestionCircleIcon from '@patternfly/react-icons/dist/esm/icons/question-circle-icon';
import { Table, Tbody, Td, Th, Thead, Tr } from '@patternfly/react-table';
import { StaleState } from '../../../components/stale-state.tsx';
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
  if (!isFresh) return <StaleState>StaleState {condition.status}</StaleState>;
  return (
    <span className="fso-nowrap">
      <Icon status={STATUS[state]} isInline>
        {ICONS[state]}
      </Icon>{' '}
      {condition.status}
    </span>
  );
};

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
      <Table aria-label="Conditions" variant="compact" borders={false} gridBreakPoint="grid-md">
        <Thead>
          <Tr>
            <Th width={20}>Condition</Th>
            <Th width={10}>Status</Th>
            <Th width={15}>Reason</Th>
            <Th width={15}>Since</Th>
            <Th>Message</Th>
          </Tr>
        </Thead>
        <Tbody>
          {conditions.map((condition) => (
            <Tr key={condition.type}>
              <Td dataLabel="Condition">{condition.type}</Td>
              <Td dataLabel="Status">
                <Status condition={condition} isFresh={isFresh} />
              </Td>
              <Td dataLabel="Reason">{condition.reason}</Td>
              <Td dataLabel="Since">
                <RelativeTime time={condition.lastTransitionTime} />
              </Td>
              <Td dataLabel="Message" className="fso-message">
                {condition.message}
              </Td>
            </Tr>
          ))}
        </Tbody>
      </Table>
    )}
  </SectionCard>
);
