import type { SilenceView } from '@fso/shared/api';
import { count } from '@fso/shared/text';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { endSilence } from '../../api/client.ts';
import { keys } from '../../api/keys.ts';
import { silencesQuery } from '../../api/queries.ts';
import { RoleButton } from '../../components/buttons.tsx';
import { Dialog } from '../../components/dialog.tsx';
import { Empty, QueryView } from '../../components/empty-states.tsx';
import { SilenceButton } from '../../components/silence/silence-button.tsx';
import { NO_MATCHERS } from '../../components/silence/silence-draft.ts';
import { type Column, VirtualTable } from '../../components/tables/virtual-table.tsx';
import { RelativeTime } from '../../components/text.tsx';
import { showToast } from '../../components/toasts.tsx';
import { formatNumber } from '../../lib/format.ts';
import { SilenceStateLabel } from './alert-labels.tsx';
import { AlertsFrame, READ_MS } from './alerts-frame.tsx';

interface EndModalProps {
  readonly silence: SilenceView;
  readonly onClose: () => void;
}

const EndModal = ({ silence: { id, matchers, alerts, state }, onClose }: EndModalProps) => {
  const client = useQueryClient();
  const end = useMutation({
    mutationFn: () => endSilence(id),
    onSuccess: async () => {
      showToast({ variant: 'success', title: 'The silence has ended' });
      onClose();
      await client.invalidateQueries({ queryKey: keys.alerts.all });
    },
  });
  return (
    <Dialog
      title="End this silence now?"
      submit={{ text: 'End it', onClick: () => end.mutate(), isPending: end.isPending }}
      failure={['The silence has not ended', end.error?.message]}
      onClose={onClose}
    >
      <p>
        <code>{matchers.join(', ')}</code>
      </p>
      <p>
        {state === 'pending'
          ? 'It has not begun, and will silence nothing.'
          : `It matches ${count(alerts, 'firing alert')}. What no other silence matches is notified.`}
      </p>
    </Dialog>
  );
};

const columnsFor = (onEnd: (silence: SilenceView) => void): readonly Column<SilenceView>[] => [
  { title: 'Matchers', width: 25, cell: ({ matchers }) => <Matchers matchers={matchers} /> },
  { title: 'State', width: 10, cell: ({ state }) => <SilenceStateLabel state={state} /> },
  { title: 'Begins', width: 10, cell: ({ from }) => <RelativeTime time={from} /> },
  { title: 'Ends', width: 10, cell: ({ until }) => <RelativeTime time={until} /> },
  { title: 'Alerts', width: 10, cell: ({ alerts, state }) => (state === 'active' ? formatNumber(alerts) : 'none') },
  {
    title: 'Reason',
    width: 20,
    cell: ({ reason, author }) => (
      <div>
        {reason}
        <div className="fso-muted">{author}</div>
      </div>
    ),
  },
  {
    title: 'Action',
    cell: (silence) =>
      silence.state === 'ended' ? null : (
        <RoleButton
          needs="operator"
          variant="secondary"
          size="sm"
          aria-label={`End the silence of ${silence.matchers.join(', ')}`}
          onClick={() => onEnd(silence)}
        >
          End
        </RoleButton>
      ),
  },
];

const Matchers = ({ matchers }: Pick<SilenceView, 'matchers'>) => (
  <ul className="fso-alerts-matchers">
    {matchers.map((matcher) => (
      <li key={matcher}>
        <code>{matcher}</code>
      </li>
    ))}
  </ul>
);

export const SilencesPage = () => {
  const query = useQuery({ ...silencesQuery, refetchInterval: READ_MS });
  const [ending, setEnding] = useState<SilenceView>();
  return (
    <AlertsFrame
      description="Which alerts nobody is notified of, until when and why. Those that ended stay here for 7 days."
      labels={<SilenceButton label="Silence alerts" size="sm" matchers={NO_MATCHERS} />}
    >
      <QueryView query={query} what="the silences">
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="No silences">No alert is silenced, and no maintenance window is set.</Empty>
          ) : (
            <VirtualTable label="Silences" rows={items} columns={columnsFor(setEnding)} rowKey={({ id }) => id} />
          )
        }
      </QueryView>
      {ending === undefined ? null : <EndModal silence={ending} onClose={() => setEnding(undefined)} />}
    </AlertsFrame>
  );
};
