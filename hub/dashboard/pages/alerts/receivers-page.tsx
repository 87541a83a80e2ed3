import type { ReceiverKind, ReceiverView } from '@fso/shared/api';
import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon';
import ExclamationCircleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon';
import ExclamationTriangleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-triangle-icon';
import MinusCircleIcon from '@patternfly/react-icons/dist/esm/icons/minus-circle-icon';
import { useMutation, useQuery } from '@tanstack/react-query';
import { testReceiver } from '../../api/client.ts';
import { receiversQuery } from '../../api/queries.ts';
import { RoleButton } from '../../components/buttons.tsx';
import { QueryView } from '../../components/empty-states.tsx';
import { type Look, StateLabel } from '../../components/state-label.tsx';
import { type Column, VirtualTable } from '../../components/tables/virtual-table.tsx';
import { LongText, RelativeTime } from '../../components/text.tsx';
import { formatNumber } from '../../lib/format.ts';
import { formatDuration } from '../../lib/time.ts';
import { AlertsFrame, NoReceivers, READ_MS } from './alerts-frame.tsx';
import { type Delivery, deliveryOf } from './receiver-state.ts';

const KINDS: Readonly<Record<ReceiverKind, string>> = {
  slack: 'Slack',
  pagerduty: 'PagerDuty',
  alertmanager: 'Alertmanager',
  webhook: 'Webhook',
  email: 'E-mail',
};

const DELIVERIES: Readonly<Record<Delivery, Look>> = {
  none: { text: 'Not used yet', icon: MinusCircleIcon, color: 'grey', title: 'No notification was sent to it' },
  delivered: { text: 'Delivered', icon: CheckCircleIcon, color: 'green', title: 'The last notification arrived' },
  failing: {
    text: 'Failing',
    icon: ExclamationTriangleIcon,
    color: 'orange',
    title: 'The last attempt failed; the hub tries again until it arrives',
  },
  refused: {
    text: 'Refused',
    icon: ExclamationCircleIcon,
    color: 'red',
    title: 'The receiver refused the last notification, which is not sent again',
  },
};

/** Sends a test notification, and shows the response of the receiver. */
const Test = ({ receiver }: { readonly receiver: string }) => {
  const test = useMutation({ mutationFn: () => testReceiver(receiver) });
  return (
    <div>
      <RoleButton
        needs="operator"
        variant="secondary"
        size="sm"
        isLoading={test.isPending}
        isDisabled={test.isPending}
        aria-label={`Send test to ${receiver}`}
        onClick={() => test.mutate()}
      >
        Send test
      </RoleButton>
      <div aria-live="polite" className="fso-message">
        {test.data === undefined ? null : (
          <>
            <strong>{test.data.delivered ? 'Delivered' : 'Not delivered'}</strong> after {formatDuration(test.data.durationMs)}
            {test.data.answer === '' ? null : (
              <>
                : <LongText text={test.data.answer} />
              </>
            )}
          </>
        )}
        {test.error === null ? null : `The test was not sent: ${test.error.message}`}
      </div>
    </div>
  );
};

const LastFailure = ({ failure }: { readonly failure: ReceiverView['lastFailure'] }) => {
  if (failure === null) return <span className="fso-muted">never</span>;
  return (
    <div>
      <RelativeTime time={failure.time} />
      <div className="fso-message">
        <LongText text={failure.reason} />
      </div>
    </div>
  );
};

const COLUMNS: readonly Column<ReceiverView>[] = [
  {
    title: 'Receiver',
    width: 20,
    cell: ({ name, kind, target }) => (
      <div>
        <strong>{name}</strong>
        <div className="fso-muted">
          {KINDS[kind]}: {target}
        </div>
      </div>
    ),
  },
  { title: 'Last notification', width: 15, cell: (receiver) => <StateLabel look={DELIVERIES[deliveryOf(receiver)]} /> },
  { title: 'Last success', width: 15, cell: ({ lastSuccess }) => <RelativeTime time={lastSuccess} /> },
  { title: 'Last failure', width: 20, cell: ({ lastFailure }) => <LastFailure failure={lastFailure} /> },
  { title: 'Waiting', width: 10, cell: ({ waiting }) => formatNumber(waiting) },
  { title: 'Test', cell: ({ name }) => <Test receiver={name} /> },
];

export const ReceiversPage = () => {
  const query = useQuery({ ...receiversQuery, refetchInterval: READ_MS });
  return (
    <AlertsFrame description="Who is notified of alerts, as the alerts file of the hub says, and whether it arrived.">
      <QueryView query={query} what="the receivers">
        {({ items }) =>
          items.length === 0 ? (
            <NoReceivers />
          ) : (
            <VirtualTable label="Receivers" rows={items} columns={COLUMNS} rowKey={({ name }) => name} />
          )
        }
      </QueryView>
    </AlertsFrame>
  );
};
